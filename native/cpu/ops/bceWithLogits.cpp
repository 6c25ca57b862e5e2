// bceWithLogits: with z the logit and y the target, (1 - y) max(z, 0) + y max(-z, 0) + log(1 + exp(-|z|)), weighted, as
// sum or mean (elementwiseLoss.h). The terms are not negative, so nothing cancels. The derivative is
// (1 - y) sigmoid(z) - y sigmoid(-z), which stays accurate for large |z|.

#include "native/cpu/ops/elementwiseLoss.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD LossSums sums(const float* logit, const float* target, const float* weight, double, size_t count) {
  return sumsOf(weight, count, [=](size_t i) SPINEGRAD_LAMBDA {
    const float z = logit[i], y = target[i], size = std::fabs(z);
    return (z > 0 ? 1.0f - y : y) * size + logarithm1p(exponential(-size));
  });
}

SPINEGRAD_SIMD void gradient(const float* logit, const float* target, const float* weight, double, float factor,
                             float* dx, size_t count) {
  gradientOf(weight, factor, dx, count, [=](size_t i) SPINEGRAD_LAMBDA {
    const float z = logit[i], y = target[i];
    const float e = exponential(-std::fabs(z)), large = 1.0f / (1.0f + e), small = e * large;
    const float p = z > 0 ? large : small, q = z > 0 ? small : large;
    return (1.0f - y) * p - y * q;
  });
}

constexpr ElementwiseLoss loss{sums, gradient};

void forward(const BceWithLogitsForward& op) { elementwiseLossForward(op, loss, 0); }
void backward(const BceWithLogitsBackward& op) { elementwiseLossBackward(op, loss, 0); }

const Register<forward> registerForward("bceWithLogits.forward");
const Register<backward> registerBackward("bceWithLogits.backward");

}  // namespace
}  // namespace spinegrad::cpu
