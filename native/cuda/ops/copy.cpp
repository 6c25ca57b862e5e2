// copy: y = x, in x's layout.

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/memory.h"

namespace spinegrad::cuda {
namespace {

void forward(const Call& call) {
  const Layout wanted = layout(call.in(0));
  const float* x = read(call.in(0), wanted);
  float* y = write(call.out(0), wanted);
  SPINEGRAD_CUDA(cuMemcpyDtoDAsync, addressOf(y), addressOf(x), storedElements(call.out(0)) * sizeof(float),
                 currentContext().stream());
}

const Register registerForward("copy.forward", forward);

}  // namespace
}  // namespace spinegrad::cuda
