// The elementwise operations of native/engine/elementwise.h, and mul_scale: y = a * factor. Bound by memory.
#include "kernels/lib/pointwise.cuh"
#include "native/engine/elementwise.h"

struct DeviceMath {
  __device__ __forceinline__ static float exp(float x) { return expf(x); }
};

#define SPINEGRAD_UNARY_KERNELS(name, Function)                                                             \
  SPINEGRAD_KERNEL(name##_forward, 256, (float* y, int64_t count, const float* x)) {                        \
    pointwise(                                                                                              \
        y, count, [](float u) { return Function<DeviceMath>::value(u); }, x);                               \
  }                                                                                                         \
  SPINEGRAD_KERNEL(name##_backward, 256, (float* dx, int64_t count, const float* saved, const float* dy)) { \
    pointwise(                                                                                              \
        dx, count, [](float u, float v) { return Function<DeviceMath>::gradient(u, v); }, saved, dy);       \
  }
#define SPINEGRAD_BINARY_KERNEL(name, Function)                                                      \
  SPINEGRAD_KERNEL(name##_forward, 256, (float* y, int64_t count, const float* a, const float* b)) { \
    pointwise(                                                                                       \
        y, count, [](float u, float v) { return Function<DeviceMath>::value(u, v); }, a, b);         \
  }

SPINEGRAD_UNARY_OPERATIONS(SPINEGRAD_UNARY_KERNELS)
SPINEGRAD_BINARY_OPERATIONS(SPINEGRAD_BINARY_KERNEL)

SPINEGRAD_KERNEL(mul_scale, 256, (float* y, int64_t count, const float* a, float factor)) {
  pointwise(
      y, count, [=](float u) { return u * factor; }, a);
}
