// mul: y = a * b for tensors of the same shape, or y = a * factor, in a's layout.

#include "native/cuda/ops/pointwise.h"
#include "native/cuda/runtime/device.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const BinaryForward& op) {
  const Layout wanted = layout(op.a);
  const float* a = read(op.a, wanted);
  const float* b = read(op.b, wanted);
  float* y = write(op.y, wanted);
  launchPointwise("mul_forward", op.y, a, b, y);
}

void scale(const MulScale& op) {
  const Layout wanted = layout(op.a);
  const float* a = read(op.a, wanted);
  float* y = write(op.y, wanted);
  launchPointwise("mul_scale", op.y, a, static_cast<float>(op.factor), y);
}

const Register<forward> registerForward("mul.forward");
const Register<scale> registerScale("mul.scale");

}  // namespace
}  // namespace spinegrad::cuda
