// relu: y = max(x, 0), in x's layout. Backward needs only y.

#include "native/cuda/ops/pointwise.h"
#include "native/cuda/runtime/device.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const Forward& op) {
  const Layout wanted = layout(op.x);
  const float* x = read(op.x, wanted);
  float* y = write(op.y, wanted);
  launchPointwise("relu_forward", op.y, x, y);
}

void backward(const BackwardFromOutput& op) {
  const Layout wanted = layout(op.y);
  const float* y = read(op.y, wanted);
  const float* dy = read(op.dy, wanted);
  float* dx = write(op.dx, wanted);
  launchPointwise("relu_backward", op.dx, y, dy, dx);
}

const Register<forward> registerForward("relu.forward");
const Register<backward> registerBackward("relu.backward");

}  // namespace
}  // namespace spinegrad::cuda
