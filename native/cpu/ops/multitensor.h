// Loops over the values of many tensors at once, such as all parameters and gradients. The tensors are split into
// chunks of fixed size, which the threads divide among themselves, so many small tensors keep all threads busy.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "native/cpu/runtime/memory.h"

namespace spinegrad::cpu {

constexpr size_t multitensorChunk = 16384;

struct TensorChunk {
  size_t tensor, first, count;
};

/// `sizes`: stored values of each tensor, padding included. Padding holds zeros and must stay zero.
inline std::vector<TensorChunk> splitTensors(const std::vector<size_t>& sizes) {
  std::vector<TensorChunk> chunks;
  for (size_t tensor = 0; tensor < sizes.size(); ++tensor) {
    for (size_t first = 0; first < sizes[tensor]; first += multitensorChunk) {
      chunks.push_back({tensor, first, std::min(multitensorChunk, sizes[tensor] - first)});
    }
  }
  return chunks;
}

/// Calls leaf(chunk, index of the chunk), in parallel.
template <class Leaf>
void parallelChunks(const std::vector<TensorChunk>& chunks, Leaf leaf) {
#pragma omp parallel for schedule(static) if (chunks.size() > 1)
  for (size_t index = 0; index < chunks.size(); ++index) leaf(chunks[index], index);
}

/// Tuples of `Width` tensors of one shape, one from each list. The first sets the layout of the others.
template <size_t Width>
struct Tuples {
  std::vector<std::array<float*, Width>> values;
  std::vector<size_t> sizes;

  explicit Tuples(const std::array<std::span<const TensorRef>, Width>& lists) {
    for (size_t index = 0; index < lists[0].size(); ++index) {
      const auto desc = layout(*lists[0][index]);
      auto& tuple = values.emplace_back();
      for (size_t member = 0; member < Width; ++member) tuple[member] = read(*lists[member][index], desc);
      sizes.push_back(storedElements(*lists[0][index]));
    }
  }
};

}  // namespace spinegrad::cpu
