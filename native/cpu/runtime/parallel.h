// A parallel loop over values. Elementwise operations use it for all stored values of tensors of any layout, whose
// padding channels hold zeros and must stay zero.
#pragma once

#include <algorithm>
#include <cstddef>

namespace spinegrad::cpu {

/// Calls leaf(first, count) for chunks of [0, count), in parallel.
template <class Leaf>
void parallelChunks(size_t count, Leaf leaf) {
  constexpr size_t chunk = 16384;
  const auto chunks = static_cast<std::ptrdiff_t>((count + chunk - 1) / chunk);
#pragma omp parallel for schedule(static) if (chunks > 1)
  for (std::ptrdiff_t index = 0; index < chunks; ++index) {
    const size_t first = static_cast<size_t>(index) * chunk;
    leaf(first, std::min(chunk, count - first));
  }
}

}  // namespace spinegrad::cpu
