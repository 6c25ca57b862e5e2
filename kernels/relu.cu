// relu: y = max(x, 0), NaN stays NaN; dx = dy where y > 0. Bound by memory.
#include "kernels/lib/pointwise.cuh"

SPINEGRAD_KERNEL(relu_forward, 256, (const float* x, float* y, int64_t count)) {
  pointwise(
      y, count, [](float u) { return u < 0.0f ? 0.0f : u; }, x);
}

SPINEGRAD_KERNEL(relu_backward, 256, (const float* y, const float* dy, float* dx, int64_t count)) {
  pointwise(
      dx, count, [](float u, float gradient) { return u > 0.0f ? gradient : 0.0f; }, y, dy);
}
