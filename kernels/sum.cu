// sum: y [1] = the sum of all elements. Each block adds a chunk of fixed size in double precision, then one block adds
// the chunks in order. Padding holds zeros. Bound by memory, 4 bytes per element: the one double addition per element
// is a hundredth of the rate even of GPUs with few double units.
#include "kernels/lib/reduce.cuh"
#include "kernels/lib/vector.cuh"
#include "kernels/sum.h"

SPINEGRAD_KERNEL(sum_pieces, 256, (const float* x, double* partials, int64_t count)) {
  const int64_t first = blockIdx.x * sumChunk;
  const int64_t end = first + sumChunk < count ? first + sumChunk : count;
  double total = 0;
  int64_t i = first + 4 * threadIdx.x;
  for (; i + 4 <= end; i += 4 * blockDim.x) {
    const Float4 four = load<Float4>(x + i);
    total += (static_cast<double>(four[0]) + four[1]) + (static_cast<double>(four[2]) + four[3]);
  }
  for (; i < end; ++i) total += x[i];  // at most 3 elements, in one thread
  total = blockSum(total);
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}

SPINEGRAD_KERNEL(sum_total, 256, (const double* partials, float* y, int64_t chunks)) {
  double total = 0;
  for (int64_t i = threadIdx.x; i < chunks; i += blockDim.x) total += partials[i];
  total = blockSum(total);
  if (threadIdx.x == 0) *y = static_cast<float>(total);
}

/// Every element of dx is dy.
SPINEGRAD_KERNEL(sum_backward, 256, (const float* dy, float* dx, int64_t count)) {
  const float value = *dy;
  for (int64_t i = globalThread(); i < count; i += gridThreads()) dx[i] = value;
}
