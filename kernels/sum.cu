// sum: y [1] = the sum of all elements. Each block adds a piece of fixed size in double precision, then one block adds
// the pieces, always in the same order. Bound by memory: 4 bytes an element; a double addition an element is a
// hundredth of what even the GPUs do that have few units for it. Padding holds zeros and adds nothing.
#include "kernels/lib/reduce.cuh"
#include "kernels/lib/vector.cuh"
#include "kernels/sum.h"

SPINEGRAD_KERNEL(sum_pieces, 256, (const float* x, double* partials, int64_t count)) {
  const int64_t first = blockIdx.x * sumPiece;
  const int64_t end = first + sumPiece < count ? first + sumPiece : count;
  double total = 0;
  int64_t i = first + 4 * threadIdx.x;
  for (; i + 4 <= end; i += 4 * blockDim.x) {
    const Float4 four = load<Float4>(x + i);
    total += (static_cast<double>(four[0]) + four[1]) + (static_cast<double>(four[2]) + four[3]);
  }
  for (; i < end; ++i) total += x[i];  // at most 3, of one thread
  total = blockSum(total);
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}

SPINEGRAD_KERNEL(sum_total, 256, (const double* partials, float* y, int64_t pieces)) {
  double total = 0;
  for (int64_t i = threadIdx.x; i < pieces; i += blockDim.x) total += partials[i];
  total = blockSum(total);
  if (threadIdx.x == 0) *y = static_cast<float>(total);
}

/// Every element of dx is the one of dy.
SPINEGRAD_KERNEL(sum_backward, 256, (const float* dy, float* dx, int64_t count)) {
  const float value = *dy;
  for (int64_t i = globalThread(); i < count; i += allThreads()) dx[i] = value;
}
