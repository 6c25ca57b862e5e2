// add: y = a + b, tensors of the same shape. Also the sum of gradients that meet at one tensor.

#include "native/cpu/ops/pointwise.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void addRow(const float* a, const float* b, float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = a[i] + b[i];
}

void forward(const BinaryForward& op) {
  const auto desc = layout(op.a);
  const float* a = read(op.a, desc);
  const float* b = read(op.b, desc);
  float* y = write(op.y, desc);
  parallelChunks(storedElements(op.y),
                 [=](size_t first, size_t count) { addRow(a + first, b + first, y + first, count); });
}

const Register<forward> registerForward("add.forward");

}  // namespace
}  // namespace spinegrad::cpu
