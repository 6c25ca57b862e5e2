// add: y = a + b. 8 bytes in and 4 out for one flop: bound by memory.
#include "kernels/lib/pointwise.cuh"

SPINEGRAD_KERNEL(add_forward, 256, (const float* a, const float* b, float* y, int64_t count)) {
  pointwise(
      y, count, [](float u, float v) { return u + v; }, a, b);
}
