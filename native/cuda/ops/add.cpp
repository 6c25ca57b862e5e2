// add: y = a + b, tensors of the same shape, in a's layout.

#include "native/cuda/ops/pointwise.h"
#include "native/cuda/runtime/device.h"

namespace spinegrad::cuda {
namespace {

void forward(const Call& call) {
  const Layout wanted = layout(call.in(0));
  const float* a = read(call.in(0), wanted);
  const float* b = read(call.in(1), wanted);
  float* y = write(call.out(0), wanted);
  launchPointwise("add_forward", call.out(0), a, b, y);
}

const Register registerForward("add.forward", forward);

}  // namespace
}  // namespace spinegrad::cuda
