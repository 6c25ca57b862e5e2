// copy: y = x, in x's layout.

#include <cstring>

#include "native/cpu/device.h"
#include "native/cpu/memory.h"
#include "native/cpu/pointwise.h"
#include "native/cpu/simd.h"

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
