// smoothL1: with d = prediction - target, d^2 / (2 beta) if |d| < beta, else |d| - beta / 2 (Girshick, "Fast R-CNN",
// ICCV 2015, with PyTorch's beta), weighted, as sum or mean (elementwiseLoss.h).

#include <cmath>

#include "native/cpu/ops/elementwiseLoss.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD LossSums sums(const float* prediction, const float* target, const float* weight, double parameter,
                             size_t count) {
  const auto beta = static_cast<float>(parameter), factor = static_cast<float>(0.5 / parameter);
  return sumsOf(weight, count, [=](size_t i) SPINEGRAD_LAMBDA {
    const float d = std::fabs(prediction[i] - target[i]), square = d * d * factor, line = d - beta / 2;
    return d < beta ? square : line;
  });
}

SPINEGRAD_SIMD void gradient(const float* prediction, const float* target, const float* weight, double beta,
                             float factor, float* dp, size_t count) {
  const auto inverse = static_cast<float>(1 / beta);
  gradientOf(weight, factor, dp, count, [=](size_t i) SPINEGRAD_LAMBDA {
    const float scaled = (prediction[i] - target[i]) * inverse;
    const float high = scaled > 1 ? 1.0f : scaled;
    return high < -1 ? -1.0f : high;
  });
}

constexpr ElementwiseLoss loss{sums, gradient};

void forward(const SmoothL1Forward& op) { elementwiseLossForward(op, loss, op.beta); }
void backward(const SmoothL1Backward& op) { elementwiseLossBackward(op, loss, op.beta); }

const Register<forward> registerForward("smoothL1.forward");
const Register<backward> registerBackward("smoothL1.backward");

}  // namespace
}  // namespace spinegrad::cpu
