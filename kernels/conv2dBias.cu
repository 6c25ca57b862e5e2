// The gradient of a bias: db[k] = sum over the rows of dy [rows][pitch], the pixels of all images. A block adds 32
// columns of a piece of rows in double precision, 8 threads a column, then one thread a column adds the pieces; the
// order is fixed. Bound by memory: 4 bytes an element, whole lines of 128 bytes.
#include "kernels/conv2d.h"
#include "kernels/lib/kernel.cuh"

constexpr int biasColumns = 32;
constexpr int biasRows = 8;

/// grid: pieces, tiles of columns.
SPINEGRAD_KERNEL(conv2d_bias_pieces, 256,
                 (const float* dy, double* partials, int64_t rows, int32_t columns, int32_t pitch)) {
  SPINEGRAD_SHARED(double[biasRows][biasColumns], sums);
  const int column = blockIdx.y * biasColumns + threadIdx.x;
  const int64_t first = blockIdx.x * conv2dBiasPiece;
  const int64_t end = first + conv2dBiasPiece < rows ? first + conv2dBiasPiece : rows;
  double total = 0;
  if (column < columns) {
    for (int64_t row = first + threadIdx.y; row < end; row += biasRows) total += dy[row * pitch + column];
  }
  sums[threadIdx.y][threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.y == 0 && column < columns) {
    for (int i = 1; i < biasRows; ++i) total += sums[i][threadIdx.x];
    partials[int64_t(blockIdx.x) * columns + column] = total;
  }
}

SPINEGRAD_KERNEL(conv2d_bias_total, 256, (const double* partials, float* db, int64_t pieces, int32_t columns)) {
  for (int64_t column = globalThread(); column < columns; column += allThreads()) {
    double total = 0;
    for (int64_t piece = 0; piece < pieces; ++piece) total += partials[piece * columns + column];
    db[column] = static_cast<float>(total);
  }
}
