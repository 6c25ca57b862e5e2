// copy: y = x, in x's layout.

#include <cstring>

#include "native/cpu/ops/pointwise.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {
namespace {

void forward(const Call& call) {
  const auto desc = layout(call.in(0));
  const float* x = read(call.in(0), desc);
  float* y = write(call.out(0), desc);
  parallelPieces(storedElements(call.out(0)),
                 [=](size_t first, size_t count) { std::memcpy(y + first, x + first, count * sizeof(float)); });
}

const Register registerForward("copy.forward", forward);

}  // namespace
}  // namespace spinegrad::cpu
