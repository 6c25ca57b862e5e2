// dropout: y = x / (1 - p) where a uniform number of (seed, step, element) is >= p, else 0. Elements are counted
// row-major. The backward pass is the same function of dy.

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const Call& call) {
  const DropoutAttributes attributes(call);
  const float* x = read<float>(call.in(0));
  const int64_t count = call.in(0).elements();
  launch("dropout_forward", {blocksFor((count + 3) / 4, 256)}, {256}, 0, x, write<float>(call.out(0)), count,
         static_cast<int32_t>(attributes.seed), static_cast<int32_t>(attributes.step),
         static_cast<float>(attributes.probability), static_cast<float>(1 / (1 - attributes.probability)));
}

const Register registerForward("dropout.forward", forward);

}  // namespace
}  // namespace spinegrad::cuda
