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

/// grid: ranges of rows of dx, columns. A block goes over all indices, 256 at a time, and adds the gradients of those
/// in its range, in their order: no two blocks write to one row, and the sum has one order. All blocks together read
/// every index a few hundred times, from L2, whatever the number of rows. dx held zeros.
SPINEGRAD_KERNEL(gather_backward, 256,
                 (const float* dy, const int32_t* indices, float* dx, int64_t rows, int64_t wanted, int64_t row,
                  int64_t rowsOfBlock)) {
  SPINEGRAD_SHARED(uint32_t[8], inRange);
  const int64_t first = blockIdx.x * rowsOfBlock, end = first + rowsOfBlock < rows ? first + rowsOfBlock : rows;
  for (int64_t begin = 0; begin < wanted; begin += 256) {
    const int64_t n = begin + threadIdx.x;
    const int64_t index = n < wanted ? indices[n] : -1;
    const uint32_t lanes = __ballot_sync(0xffffffffu, index >= first && index < end);
    if (threadIdx.x % 32 == 0) inRange[threadIdx.x / 32] = lanes;
    __syncthreads();
    for (int64_t warp = 0; warp < 8; ++warp) {
      for (uint32_t left = inRange[warp]; left != 0; left &= left - 1) {
        const int64_t k = begin + 32 * warp + __popc(~left & (left - 1));  // the lowest bit that is left
        float* to = dx + indices[k] * row;
        for (int64_t i = blockIdx.y * 256 + threadIdx.x; i < row; i += gridDim.y * 256) to[i] += dy[k * row + i];
      }
    }
    __syncthreads();
  }
}
