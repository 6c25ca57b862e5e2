// mul: y = a * b for tensors of the same shape, or y = a * factor, in a's layout.

#include "native/cuda/ops/pointwise.h"
#include "native/cuda/runtime/device.h"

namespace spinegrad::cuda {
namespace {

void forward(const Call& call) {
  const Layout wanted = layout(call.in(0));
  const float* a = read(call.in(0), wanted);
  const float* b = read(call.in(1), wanted);
  float* y = write(call.out(0), wanted);
  launchPointwise("mul_forward", call.out(0), a, b, y);
}

void scale(const Call& call) {
  const Layout wanted = layout(call.in(0));
  const float* a = read(call.in(0), wanted);
  float* y = write(call.out(0), wanted);
  launchPointwise("mul_scale", call.out(0), a, static_cast<float>(call.real(0)), y);
}

const Register registerForward("mul.forward", forward);
const Register registerScale("mul.scale", scale);

}  // namespace
}  // namespace spinegrad::cuda
