// gather: rows of x [M, ...] by index, and the gradient, which adds the rows of dy that have the same index. status.cu
// checks the indices first; a row with an invalid index is NaN and gets no gradient. Bound by memory.
#include "kernels/lib/reduce.cuh"

/// grid: columns, output rows.
SPINEGRAD_KERNEL(gather_forward, 256,
                 (const float* x, const int32_t* indices, float* y, int64_t rows, int64_t outputRows,
                  int64_t rowSize)) {
  for (int64_t n = blockIdx.y; n < outputRows; n += gridDim.y) {
    const int32_t index = indices[n];
    const bool valid = index >= 0 && index < rows;
    for (int64_t i = globalThread(); i < rowSize; i += gridThreads())
      y[n * rowSize + i] = valid ? x[index * rowSize + i] : NAN;
  }
}

/// A block owns a range of rows of dx. It scans all indices, 256 at a time, and adds the gradients of the rows in its
/// range in index order, so no two blocks write to the same row and the order of the sum is fixed. dx is zero
/// initially. All blocks together read every index at most 256 x 64 times, from L2. grid: ranges of rows of dx,
/// columns.
SPINEGRAD_KERNEL(gather_backward, 256,
                 (const float* dy, const int32_t* indices, float* dx, int64_t rows, int64_t outputRows, int64_t rowSize,
                  int64_t rowsPerBlock)) {
  SPINEGRAD_SHARED(uint32_t[8], inRange);
  const int64_t first = blockIdx.x * rowsPerBlock, end = first + rowsPerBlock < rows ? first + rowsPerBlock : rows;
  for (int64_t begin = 0; begin < outputRows; begin += 256) {
    const int64_t n = begin + threadIdx.x;
    const int64_t index = n < outputRows ? indices[n] : -1;
    const uint32_t lanes = __ballot_sync(0xffffffffu, index >= first && index < end);
    if (threadIdx.x % 32 == 0) inRange[threadIdx.x / 32] = lanes;
    __syncthreads();
    for (int64_t warp = 0; warp < 8; ++warp) {
      for (uint32_t remaining = inRange[warp]; remaining != 0; remaining &= remaining - 1) {
        const int64_t k = begin + 32 * warp + __popc(~remaining & (remaining - 1));  // the lowest set bit
        float* to = dx + indices[k] * rowSize;
        for (int64_t i = blockIdx.y * 256 + threadIdx.x; i < rowSize; i += gridDim.y * 256)
          to[i] += dy[k * rowSize + i];
      }
    }
    __syncthreads();
  }
}
