// The elementwise operations of native/engine/elementwise.h, and mul.scale: y = a * factor. Kernels:
// kernels/elementwise.cu.

#include "native/engine/elementwise.h"

#include <cmath>

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

struct HostMath {
  static float exp(float x) { return std::exp(x); }
};

/// Runs `kernel` over the stored elements of y. Its arguments are y, their number and `inputs`.
template <class... Inputs>
void launchPointwise(const char* kernel, Tensor& y, Layout layout, const Inputs&... inputs) {
  float* to = write(y, layout);
  const auto count = static_cast<int64_t>(storedElements(y));
  launch(kernel, {blocksFor((count + 3) / 4, 256)}, {256}, 0, to, count, inputs...);
}

/// y = function(first, others...), which `kernel` computes, in the layout of `first`. Padding holds zeros and must keep
/// them: if the function of zeros is not 0, the layout is row-major, which has no padding.
template <auto function, class... Tensors>
void apply(const char* kernel, Tensor& y, Tensor& first, Tensors&... others) {
  const bool keepsZeros = function(0.0f, (static_cast<void>(others), 0.0f)...) == 0.0f;
  const Layout common = keepsZeros ? layout(first) : Layout::rowMajor;
  launchPointwise(kernel, y, common, static_cast<const float*>(read(first, common)),
                  static_cast<const float*>(read(others, common))...);
}

void scale(const MulScale& op) {
  const Layout common = layout(op.a);
  const float* a = read(op.a, common);
  launchPointwise("mul_scale", op.y, common, a, static_cast<float>(op.factor));
}

#define SPINEGRAD_REGISTER_UNARY(name, Function)                                                            \
  void name##Forward(const Forward& op) { apply<Function<HostMath>::value>(#name "_forward", op.y, op.x); } \
  void name##Backward(const UnaryBackward& op) {                                                            \
    apply<Function<HostMath>::gradient>(#name "_backward", op.dx, op.saved, op.dy);                         \
  }                                                                                                         \
  const Register<name##Forward> name##ForwardRegister(#name ".forward");                                    \
  const Register<name##Backward> name##BackwardRegister(#name ".backward");
#define SPINEGRAD_REGISTER_BINARY(name, Function)                         \
  void name##Forward(const BinaryForward& op) {                           \
    apply<Function<HostMath>::value>(#name "_forward", op.y, op.a, op.b); \
  }                                                                       \
  const Register<name##Forward> name##ForwardRegister(#name ".forward");

SPINEGRAD_UNARY_OPERATIONS(SPINEGRAD_REGISTER_UNARY)
SPINEGRAD_BINARY_OPERATIONS(SPINEGRAD_REGISTER_BINARY)
const Register<scale> mulScaleRegister("mul.scale");

}  // namespace
}  // namespace spinegrad::cuda
