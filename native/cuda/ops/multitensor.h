// Launches over many tensors: fills the table of kernels/multitensor.h and launches whenever it is full. For ResNet-18
// that is once with each optimizer.
#pragma once

#include <array>
#include <span>

#include "kernels/multitensor.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"

namespace spinegrad::cuda {

/// Discards the statistics of tensors that are modified in place.
inline void changing(std::span<const TensorRef> tensors) {
  for (const TensorRef& tensor : tensors) changing(*tensor);
}

inline int32_t chunksOf(size_t elements) {
  return static_cast<int32_t>((elements + multitensorChunk - 1) / multitensorChunk);
}

/// Calls visit(table, number of its chunks) for tuples of `width` tensors of one shape, one from each list. The first
/// tensor determines the layout of the others. The values include padding, which holds zeros and keeps them.
template <int width, class Visit>
void eachTable(const std::array<std::span<const TensorRef>, width>& lists, Visit visit) {
  Multitensor<width> table{};
  int32_t chunks = 0;
  const auto flush = [&] {
    if (table.tuples > 0) visit(table, static_cast<unsigned>(chunks));
    table.chunksBefore += chunks;
    table.tuples = chunks = 0;
  };
  for (size_t index = 0; index < lists[0].size(); ++index) {
    const Layout targetLayout = layout(*lists[0][index]);
    const size_t size = storedElements(*lists[0][index]);
    for (size_t member = 0; member < width; ++member) {
      table.values[table.tuples][member] = read(*lists[member][index], targetLayout);
    }
    table.size[table.tuples] = static_cast<int64_t>(size);
    table.firstChunk[table.tuples++] = chunks;
    chunks += chunksOf(size);
    if (table.tuples == table.maxTuples) flush();
  }
  flush();
}

}  // namespace spinegrad::cuda
