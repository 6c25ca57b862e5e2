// relu: y = max(x, 0), in x's layout. Backward needs only y.

#include "native/cuda/ops/pointwise.h"
#include "native/cuda/runtime/device.h"

namespace spinegrad::cuda {
namespace {

void forward(const Call& call) {
  const Layout wanted = layout(call.in(0));
  const float* x = read(call.in(0), wanted);
  float* y = write(call.out(0), wanted);
  launchPointwise("relu_forward", call.out(0), x, y);
}

void backward(const Call& call) {
  const Layout wanted = layout(call.in(0));
  const float* y = read(call.in(0), wanted);
  const float* dy = read(call.in(1), wanted);
  float* dx = write(call.out(0), wanted);
  launchPointwise("relu_backward", call.out(0), y, dy, dx);
}

const Register registerForward("relu.forward", forward);
const Register registerBackward("relu.backward", backward);

}  // namespace
}  // namespace spinegrad::cuda
