// relu: y = max(x, 0). NaN stays NaN. Backward needs only y: dx = dy where y > 0.

#include "native/cpu/ops/relu.h"

#include "native/cpu/ops/pointwise.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void reluRow(const float* x, float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = x[i] < 0 ? 0 : x[i];
}

SPINEGRAD_SIMD void reluGradientRow(const float* y, const float* dy, float* dx, size_t count) {
  for (size_t i = 0; i < count; ++i) dx[i] = y[i] > 0 ? dy[i] : 0;
}

void rectify(const float* x, float* y, size_t count) {
  parallelChunks(count, [=](size_t first, size_t chunks) { reluRow(x + first, y + first, chunks); });
}

void forward(const Forward& op) {
  const auto desc = layout(op.x);
  const float* x = read(op.x, desc);
  float* y = write(op.y, desc);
  rectify(x, y, storedElements(op.y));
}

void backward(const BackwardFromOutput& op) {
  const auto desc = layout(op.y);
  const float* y = read(op.y, desc);
  const float* dy = read(op.dy, desc);
  float* dx = write(op.dx, desc);
  parallelChunks(storedElements(op.dx),
                 [=](size_t first, size_t count) { reluGradientRow(y + first, dy + first, dx + first, count); });
}

const Register<forward> registerForward("relu.forward");
const Register<backward> registerBackward("relu.backward");

}  // namespace

void reluInPlace(float* values, size_t count) { rectify(values, values, count); }

}  // namespace spinegrad::cpu
