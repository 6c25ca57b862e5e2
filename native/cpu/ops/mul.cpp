// mul: y = a * b for tensors of the same shape, or y = a * factor.

#include "native/cpu/ops/pointwise.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void multiplyRow(const float* a, const float* b, float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = a[i] * b[i];
}

SPINEGRAD_SIMD void scaleRow(const float* a, float factor, float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = a[i] * factor;
}

void forward(const Call& call) {
  const auto desc = layout(call.in(0));
  const float* a = read(call.in(0), desc);
  const float* b = read(call.in(1), desc);
  float* y = write(call.out(0), desc);
  parallelPieces(storedElements(call.out(0)),
                 [=](size_t first, size_t count) { multiplyRow(a + first, b + first, y + first, count); });
}

void scale(const Call& call) {
  const auto desc = layout(call.in(0));
  const float* a = read(call.in(0), desc);
  float* y = write(call.out(0), desc);
  const auto factor = static_cast<float>(call.real(0));
  parallelPieces(storedElements(call.out(0)),
                 [=](size_t first, size_t count) { scaleRow(a + first, factor, y + first, count); });
}

const Register registerForward("mul.forward", forward);
const Register registerScale("mul.scale", scale);

}  // namespace
}  // namespace spinegrad::cpu
