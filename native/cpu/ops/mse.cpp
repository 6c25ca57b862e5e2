// mse: (prediction - target)^2, weighted, as sum or mean (elementwiseLoss.h).

#include "native/cpu/ops/elementwiseLoss.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD LossSums sums(const float* prediction, const float* target, const float* weight, double, size_t count) {
  return sumsOf(weight, count, [=](size_t i) SPINEGRAD_LAMBDA {
    const float d = prediction[i] - target[i];
    return d * d;
  });
}

SPINEGRAD_SIMD void gradient(const float* prediction, const float* target, const float* weight, double, float factor,
                             float* dp, size_t count) {
  gradientOf(weight, factor, dp, count, [=](size_t i) SPINEGRAD_LAMBDA { return 2 * (prediction[i] - target[i]); });
}

constexpr ElementwiseLoss loss{sums, gradient};

void forward(const MseForward& op) { elementwiseLossForward(op, loss, 0); }
void backward(const MseBackward& op) { elementwiseLossBackward(op, loss, 0); }

const Register<forward> registerForward("mse.forward");
const Register<backward> registerBackward("mse.backward");

}  // namespace
}  // namespace spinegrad::cpu
