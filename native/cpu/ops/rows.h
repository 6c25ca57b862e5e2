// Rows of a matrix by the piece: where a row has three values, the costly functions must run over all values of a piece
// to fill vector registers, and only the cheap sums row by row.
#pragma once

#include <algorithm>
#include <cstdint>

#include "native/cpu/runtime/math.h"

namespace spinegrad::cpu {

/// As many rows as fit the nearest cache with what is made of them, at least one.
constexpr int64_t rowsTogether(int64_t columns) { return std::max<int64_t>(1, 2048 / columns); }

/// Calls leaf(first row, count) for all rows, in parallel.
template <class Leaf>
void parallelRows(int64_t rows, int64_t columns, Leaf leaf) {
  const int64_t piece = rowsTogether(columns);
#pragma omp parallel for schedule(static) if (rows > piece)
  for (int64_t first = 0; first < rows; first += piece) leaf(first, std::min(piece, rows - first));
}

SPINEGRAD_INLINE float largest(const float* x, int64_t count) {
  float most = x[0];
#pragma omp simd reduction(max : most)
  for (int64_t i = 0; i < count; ++i) most = x[i] > most ? x[i] : most;
  return most;
}

SPINEGRAD_INLINE float sumOf(const float* x, int64_t count) {
  float total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < count; ++i) total += x[i];
  return total;
}

}  // namespace spinegrad::cpu
