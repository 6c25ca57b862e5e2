// copy: y = x, in the layout of x.

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const Forward& op) {
  const Layout target = layout(op.x);
  const float* x = read(op.x, target);
  float* y = write(op.y, target);
  SPINEGRAD_CUDA(cuMemcpyDtoDAsync, addressOf(y), addressOf(x), storedElements(op.y) * sizeof(float),
                 currentContext().stream());
}

const Register<forward> registerForward("copy.forward");

}  // namespace
}  // namespace spinegrad::cuda
