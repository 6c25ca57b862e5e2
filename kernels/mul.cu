// mul: y = a * b, or a * factor. Bound by memory.
#include "kernels/lib/pointwise.cuh"

SPINEGRAD_KERNEL(mul_forward, 256, (const float* a, const float* b, float* y, int64_t count)) {
  pointwise(
      y, count, [](float u, float v) { return u * v; }, a, b);
}

SPINEGRAD_KERNEL(mul_scale, 256, (const float* a, float factor, float* y, int64_t count)) {
  pointwise(
      y, count, [=](float u) { return u * factor; }, a);
}
