// dropout: y = x / (1 - p) if a uniform number of (seed, step, element) is >= p, else 0. Elements are numbered
// row-major. The backward pass applies the same function to dy.

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const DropoutForward& op) {
  const float* x = read<float>(op.x);
  const int64_t count = op.x.elements();
  launch("dropout_forward", {blocksFor((count + 3) / 4, 256)}, {256}, 0, x, write<float>(op.y), count,
         static_cast<int32_t>(op.seed), static_cast<int32_t>(op.step), static_cast<float>(op.probability),
         static_cast<float>(1 / (1 - op.probability)));
}

const Register<forward> registerForward("dropout.forward");

}  // namespace
}  // namespace spinegrad::cuda
