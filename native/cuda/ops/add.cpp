// add: y = a + b, tensors of the same shape, in a's layout.

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
  launchPointwise("add_forward", op.y, a, b, y);
}

const Register<forward> registerForward("add.forward");

}  // namespace
}  // namespace spinegrad::cuda
