// Loops over the values of many tensors at once (parameters, their gradients, their moments): the tensors are cut into
// pieces of fixed size and the pieces are shared out together, so that many small tensors keep all threads busy.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "native/cpu/runtime/memory.h"

namespace spinegrad::cpu {

constexpr size_t multitensorPiece = 16384;

struct Piece {
  size_t tensor, first, count;
};

/// `sizes`: stored values of each tensor, padding included (it holds zeros and stays so).
inline std::vector<Piece> cutPieces(const std::vector<size_t>& sizes) {
  std::vector<Piece> pieces;
  for (size_t tensor = 0; tensor < sizes.size(); ++tensor) {
    for (size_t first = 0; first < sizes[tensor]; first += multitensorPiece) {
      pieces.push_back({tensor, first, std::min(multitensorPiece, sizes[tensor] - first)});
    }
  }
  return pieces;
}

/// Calls leaf(piece, index of the piece), in parallel.
template <class Leaf>
void parallelPieces(const std::vector<Piece>& pieces, Leaf leaf) {
#pragma omp parallel for schedule(static) if (pieces.size() > 1)
  for (size_t index = 0; index < pieces.size(); ++index) leaf(pieces[index], index);
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
