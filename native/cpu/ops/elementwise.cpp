// The elementwise operations of native/engine/elementwise.h, and mul.scale: y = a * factor.

#include "native/engine/elementwise.h"

#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/math.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/parallel.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

struct CpuMath {
  SPINEGRAD_INLINE static float exp(float x) { return exponential(x); }
};

template <auto function, class... Values>
SPINEGRAD_SIMD void applyRow(float* y, size_t count, const Values*... inputs) {
  for (size_t i = 0; i < count; ++i) y[i] = function(inputs[i]...);
}

SPINEGRAD_SIMD void scaleRow(const float* a, float factor, float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = a[i] * factor;
}

/// y = function(first, others...) in the layout of `first`. Padding holds zeros and must keep them: if the function of
/// zeros is not 0, the layout is row-major, which has no padding.
template <auto function, class... Tensors>
void apply(Tensor& y, Tensor& first, Tensors&... others) {
  const bool keepsZeros = function(0.0f, (static_cast<void>(others), 0.0f)...) == 0.0f;
  const auto desc = keepsZeros ? layout(first) : rowMajor(first.shape);
  const auto applyTo = [&](const auto*... inputs) {
    float* to = write(y, desc);
    parallelChunks(storedElements(y),
                   [=](size_t start, size_t count) { applyRow<function>(to + start, count, (inputs + start)...); });
  };
  applyTo(read(first, desc), read(others, desc)...);
}

template <class Function>
void unaryForward(const Forward& op) {
  apply<Function::value>(op.y, op.x);
}

template <class Function>
void unaryBackward(const UnaryBackward& op) {
  apply<Function::gradient>(op.dx, op.saved, op.dy);
}

template <class Function>
void binaryForward(const BinaryForward& op) {
  apply<Function::value>(op.y, op.a, op.b);
}

void scale(const MulScale& op) {
  const auto desc = layout(op.a);
  const float* a = read(op.a, desc);
  float* y = write(op.y, desc);
  const auto factor = static_cast<float>(op.factor);
  parallelChunks(storedElements(op.y),
                 [=](size_t start, size_t count) { scaleRow(a + start, factor, y + start, count); });
}

#define SPINEGRAD_REGISTER_UNARY(name, Function)                                   \
  const Register<unaryForward<Function<CpuMath>>> name##Forward(#name ".forward"); \
  const Register<unaryBackward<Function<CpuMath>>> name##Backward(#name ".backward");
#define SPINEGRAD_REGISTER_BINARY(name, Function) \
  const Register<binaryForward<Function<CpuMath>>> name##Forward(#name ".forward");

SPINEGRAD_UNARY_OPERATIONS(SPINEGRAD_REGISTER_UNARY)
SPINEGRAD_BINARY_OPERATIONS(SPINEGRAD_REGISTER_BINARY)
const Register<scale> mulScale("mul.scale");

}  // namespace
}  // namespace spinegrad::cpu
