// relu: y = max(x, 0). NaN stays NaN. Backward needs only y: dx = dy where y > 0.

#include "native/cpu/ops/relu.h"

#include "native/cpu/ops/pointwise.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void reluRow(const float* x, float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = x[i] < 0 ? 0 : x[i];
}

SPINEGRAD_SIMD void reluGradientRow(const float* y, const float* dy, float* dx, size_t count) {
  for (size_t i = 0; i < count; ++i) dx[i] = y[i] > 0 ? dy[i] : 0;
}

void rectify(const float* x, float* y, size_t count) {
  parallelPieces(count, [=](size_t first, size_t pieces) { reluRow(x + first, y + first, pieces); });
}

void forward(const Call& call) {
  const auto desc = layout(call.in(0));
  const float* x = read(call.in(0), desc);
  float* y = write(call.out(0), desc);
  rectify(x, y, storedElements(call.out(0)));
}

void backward(const Call& call) {
  const auto desc = layout(call.in(0));
  const float* y = read(call.in(0), desc);
  const float* dy = read(call.in(1), desc);
  float* dx = write(call.out(0), desc);
  parallelPieces(storedElements(call.out(0)),
                 [=](size_t first, size_t count) { reluGradientRow(y + first, dy + first, dx + first, count); });
}

const Register registerForward("relu.forward", forward);
const Register registerBackward("relu.backward", backward);

}  // namespace

void reluInPlace(float* values, size_t count) { rectify(values, values, count); }

}  // namespace spinegrad::cpu
