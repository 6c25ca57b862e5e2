// copy: y = x, in x's layout.

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const Forward& op) {
  const Layout wanted = layout(op.x);
  const float* x = read(op.x, wanted);
  float* y = write(op.y, wanted);
  SPINEGRAD_CUDA(cuMemcpyDtoDAsync, addressOf(y), addressOf(x), storedElements(op.y) * sizeof(float),
                 currentContext().stream());
}

const Register<forward> registerForward("copy.forward");

}  // namespace
}  // namespace spinegrad::cuda
