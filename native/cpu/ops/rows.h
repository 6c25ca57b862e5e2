// Loops over the rows of a matrix. Rows may have only three values, so several rows are processed together: expensive
// functions run over all values of these rows to fill the vector registers, and only sums run per row.
#pragma once

#include <algorithm>
#include <cstdint>

#include "native/cpu/runtime/math.h"

namespace spinegrad::cpu {

/// Rows that are processed together: their values and results fit the L1 cache.
constexpr int64_t rowsTogether(int64_t columns) { return std::max<int64_t>(1, 2048 / columns); }

/// Calls leaf(first row, count) for all rows, in parallel.
template <class Leaf>
void parallelRows(int64_t rows, int64_t columns, Leaf leaf) {
  const int64_t chunk = rowsTogether(columns);
#pragma omp parallel for schedule(static) if (rows > chunk)
  for (int64_t first = 0; first < rows; first += chunk) leaf(first, std::min(chunk, rows - first));
}

SPINEGRAD_INLINE float rowMax(const float* x, int64_t count) {
  float max = x[0];
#pragma omp simd reduction(max : max)
  for (int64_t i = 0; i < count; ++i) max = x[i] > max ? x[i] : max;
  return max;
}

SPINEGRAD_INLINE float rowSum(const float* x, int64_t count) {
  float total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < count; ++i) total += x[i];
  return total;
}

}  // namespace spinegrad::cpu
