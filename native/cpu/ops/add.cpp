// add: y = a + b, tensors of the same shape. Also the sum of gradients that meet at one tensor.

#include "native/cpu/ops/pointwise.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void addRow(const float* a, const float* b, float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = a[i] + b[i];
}

void forward(const Call& call) {
  const auto desc = layout(call.in(0));
  const float* a = read(call.in(0), desc);
  const float* b = read(call.in(1), desc);
  float* y = write(call.out(0), desc);
  parallelPieces(storedElements(call.out(0)),
                 [=](size_t first, size_t count) { addRow(a + first, b + first, y + first, count); });
}

const Register registerForward("add.forward", forward);

}  // namespace
}  // namespace spinegrad::cpu
