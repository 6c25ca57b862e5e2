// The bias gradient of conv2d: db[k] = the sum over all pixels, the rows of dy [rows][pitch]. A block adds 32 columns
// of a chunk of rows in double precision with 8 threads per column; a second kernel adds the chunks. The order is
// fixed. Bound by memory: 4 bytes per element, read in whole lines of 128 bytes.
#include "kernels/conv2d.h"
#include "kernels/lib/kernel.cuh"

constexpr int biasColumns = 32;
constexpr int biasRows = 8;

/// grid: chunks of rows, tiles of 32 columns.
SPINEGRAD_KERNEL(conv2d_bias_pieces, 256,
                 (const float* dy, double* partials, int64_t rows, int32_t columns, int32_t pitch)) {
  SPINEGRAD_SHARED(double[biasRows][biasColumns], sums);
  const int column = blockIdx.y * biasColumns + threadIdx.x;
  const int64_t first = blockIdx.x * conv2dBiasChunk;
  const int64_t end = first + conv2dBiasChunk < rows ? first + conv2dBiasChunk : rows;
  double sum = 0;
  if (column < columns) {
    for (int64_t row = first + threadIdx.y; row < end; row += biasRows) sum += dy[row * pitch + column];
  }
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && column < columns) {
    for (int i = 1; i < biasRows; ++i) sum += sums[i][threadIdx.x];
    partials[int64_t(blockIdx.x) * columns + column] = sum;
  }
}

SPINEGRAD_KERNEL(conv2d_bias_total, 256, (const double* partials, float* db, int64_t chunks, int32_t columns)) {
  for (int64_t column = globalThread(); column < columns; column += gridThreads()) {
    double sum = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += partials[chunk * columns + column];
    db[column] = static_cast<float>(sum);
  }
}
