// gather: rows of x [M, ...] by index, and the sum of gradients of rows that were taken more than once. Indices were
// checked before (status.cu): where one is wrong, its row is NaN and takes no gradient. Bound by memory.
#include "kernels/lib/reduce.cuh"

/// grid: columns, wanted rows.
SPINEGRAD_KERNEL(gather_forward, 256,
                 (const float* x, const int32_t* indices, float* y, int64_t rows, int64_t wanted, int64_t row)) {
  for (int64_t n = blockIdx.y; n < wanted; n += gridDim.y) {
    const int32_t index = indices[n];
    const bool valid = index >= 0 && index < rows;
    for (int64_t i = globalThread(); i < row; i += allThreads()) y[n * row + i] = valid ? x[index * row + i] : NAN;
  }
}

/// A block for each index: the first block among those of equal indices adds up all their rows, in their order, so that
/// no two blocks write to one row and the sum has one order. dx held zeros.
SPINEGRAD_KERNEL(gather_backward, 256,
                 (const float* dy, const int32_t* indices, float* dx, int64_t rows, int64_t wanted, int64_t row)) {
  for (int64_t n = blockIdx.x; n < wanted; n += gridDim.x) {
    const int32_t index = indices[n];
    int earlier = 0;
    for (int64_t k = threadIdx.x; k < n; k += blockDim.x) earlier |= indices[k] == index;
    if (blockMax(earlier, 0) != 0 || index < 0 || index >= rows) continue;
    for (int64_t i = threadIdx.x; i < row; i += blockDim.x) {
      float total = 0;
      for (int64_t k = n; k < wanted; ++k) {
        if (indices[k] == index) total += dy[k * row + i];
      }
      dx[index * row + i] = total;
    }
  }
}
