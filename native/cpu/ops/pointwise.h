// Elementwise loops over whole tensors, whatever their layout: padding lanes hold zeros and stay zeros.
#pragma once

#include <algorithm>
#include <cstddef>

namespace spinegrad::cpu {

/// Calls leaf(first, count) on equal pieces of [0, count), in parallel.
template <class Leaf>
void parallelPieces(size_t count, Leaf leaf) {
  constexpr size_t piece = 16384;
  const auto pieces = static_cast<std::ptrdiff_t>((count + piece - 1) / piece);
#pragma omp parallel for schedule(static) if (pieces > 1)
  for (std::ptrdiff_t index = 0; index < pieces; ++index) {
    const size_t first = static_cast<size_t>(index) * piece;
    leaf(first, std::min(piece, count - first));
  }
}

}  // namespace spinegrad::cpu
