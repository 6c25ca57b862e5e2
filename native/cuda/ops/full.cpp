// full: sets every element of y to one value with a memset.

#include <bit>

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const FullForward& op) {
  const auto value = static_cast<float>(op.value);
  SPINEGRAD_CUDA(cuMemsetD32Async, addressOf(write<float>(op.y)), std::bit_cast<unsigned>(value),
                 static_cast<size_t>(op.y.elements()), currentContext().stream());
}

const Register<forward> registerForward("full.forward");

}  // namespace
}  // namespace spinegrad::cuda
