// smoothL1: with d = prediction - target, d^2 / (2 beta) where |d| < beta, else |d| - beta / 2 (Girshick, Fast R-CNN,
// 2015, with PyTorch's beta); weighted; sum or mean (see elementwiseLoss.h).

#include <cmath>

#include "native/cpu/device.h"
#include "native/cpu/elementwiseLoss.h"
#include "native/cpu/simd.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD LossSums sums(const float* prediction, const float* target, const float* weight, double beta,
                             size_t count) {
  double terms = 0, weights = 0;
  float least = 0;
#pragma omp simd reduction(+ : terms, weights) reduction(min : least)
  for (size_t i = 0; i < count; ++i) {
    const float w = weight == nullptr ? 1.0f : weight[i];
    const double d = std::fabs(static_cast<double>(prediction[i]) - target[i]);
    const double term = d < beta ? d * d / (2 * beta) : d - beta / 2;
    terms += w == 0 ? 0.0 : w * term;
    weights += w;
    least = w < least ? w : least;
  }
  return {terms, weights, least < 0};
}

SPINEGRAD_SIMD void gradient(const float* prediction, const float* target, const float* weight, double beta,
                             float factor, float* dp, size_t count) {
  const auto inverse = static_cast<float>(1 / beta);
  for (size_t i = 0; i < count; ++i) {
    const float w = weight == nullptr ? 1.0f : weight[i];
    const float scaled = (prediction[i] - target[i]) * inverse;
    const float high = scaled > 1 ? 1.0f : scaled;
    const float slope = high < -1 ? -1.0f : high;
    dp[i] = w == 0 ? 0.0f : slope * (factor * w);
  }
}

constexpr ElementwiseLoss loss{sums, gradient};

const Register registerForward("smoothL1.forward", [](const Call& call) { elementwiseLossForward(call, loss); });
const Register registerBackward("smoothL1.backward", [](const Call& call) { elementwiseLossBackward(call, loss); });

}  // namespace
}  // namespace spinegrad::cpu
