// Launches over the values of many tensors at once: fills the table of kernels/multitensor.h and launches as often as
// it is full, which for ResNet-18 and all its optimizers is once.
#pragma once

#include <array>
#include <span>

#include "kernels/multitensor.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"

namespace spinegrad::cuda {

/// The values of all these tensors are about to change in place.
inline void changing(std::span<const TensorRef> tensors) {
  for (const TensorRef& tensor : tensors) changing(*tensor);
}

inline int32_t chunksOf(size_t elements) {
  return static_cast<int32_t>((elements + multitensorChunk - 1) / multitensorChunk);
}

/// Calls visit(table, number of its chunks) for tuples of `width` tensors of one shape, one from each list. The first
/// sets the layout of the others. Padding is included: it holds zeros and stays so.
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
