// Launches over the values of many tensors at once: fills the table of kernels/multitensor.h and launches as often as
// it is full, which for ResNet-18 and all its optimizers is once.
#pragma once

#include "kernels/multitensor.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/operation.h"

namespace spinegrad::cuda {

inline int32_t chunksOf(size_t elements) {
  return static_cast<int32_t>((elements + multitensorChunk - 1) / multitensorChunk);
}

/// Calls visit(table, number of its pieces) for the inputs in tuples of `width` tensors of one shape, the first of
/// which sets the layout of the others (padding included: it holds zeros and stays so).
template <int width, class Visit>
void eachTable(const Call& call, Visit visit) {
  Multitensor<width> table{};
  int32_t chunks = 0;
  const auto flush = [&] {
    if (table.tuples > 0) visit(table, static_cast<unsigned>(chunks));
    table.chunksBefore += chunks;
    table.tuples = chunks = 0;
  };
  for (const TensorRef& output : call.outputs) changing(*output);
  for (size_t index = 0; index < call.inputs.size(); index += width) {
    const Layout targetLayout = layout(call.in(index));
    const size_t size = storedElements(call.in(index));
    for (size_t member = 0; member < width; ++member) {
      table.values[table.tuples][member] = read(call.in(index + member), targetLayout);
    }
    table.size[table.tuples] = static_cast<int64_t>(size);
    table.firstChunk[table.tuples++] = chunks;
    chunks += chunksOf(size);
    if (table.tuples == table.maxTuples) flush();
  }
  flush();
}

}  // namespace spinegrad::cuda
