// mul: y = a * b for tensors of the same shape, or y = a * factor.

#include "native/cpu/ops/pointwise.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void multiplyRow(const float* a, const float* b, float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = a[i] * b[i];
}

SPINEGRAD_SIMD void scaleRow(const float* a, float factor, float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = a[i] * factor;
}

void forward(const BinaryForward& op) {
  const auto desc = layout(op.a);
  const float* a = read(op.a, desc);
  const float* b = read(op.b, desc);
  float* y = write(op.y, desc);
  parallelChunks(storedElements(op.y),
                 [=](size_t first, size_t count) { multiplyRow(a + first, b + first, y + first, count); });
}

void scale(const MulScale& op) {
  const auto desc = layout(op.a);
  const float* a = read(op.a, desc);
  float* y = write(op.y, desc);
  const auto factor = static_cast<float>(op.factor);
  parallelChunks(storedElements(op.y),
                 [=](size_t first, size_t count) { scaleRow(a + first, factor, y + first, count); });
}

const Register<forward> registerForward("mul.forward");
const Register<scale> registerScale("mul.scale");

}  // namespace
}  // namespace spinegrad::cpu
