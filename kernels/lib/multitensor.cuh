// Loops over the values of many tensors; kernels/multitensor.h describes the table. A block finds its chunk by
// bisection in constant memory and processes it with 16-byte accesses, the last values of a tensor one by one. Bound by
// memory.
#pragma once

#include "kernels/lib/kernel.cuh"
#include "kernels/lib/vector.cuh"
#include "kernels/multitensor.h"

namespace spinegrad {

/// The values that a block processes: `count` values from `first` of each tensor of a tuple.
struct MultitensorRange {
  int32_t tuple, count;
  int64_t first;

  template <int width>
  __device__ __forceinline__ explicit MultitensorRange(const Multitensor<width>& table) {
    const auto chunk = static_cast<int32_t>(blockIdx.x);
    int32_t low = 0, high = table.tuples;
    while (high - low > 1) {
      const int32_t middle = (low + high) / 2;
      (table.firstChunk[middle] <= chunk ? low : high) = middle;
    }
    tuple = low;
    first = int64_t(chunk - table.firstChunk[low]) * multitensorChunk;
    count = static_cast<int32_t>(min(table.size[low] - first, int64_t(multitensorChunk)));
  }
};

namespace detail {

template <int vectorSize, int width, class Visit>
__device__ __forceinline__ void visitVector(float* const (&at)[width], int32_t i, Visit visit) {
  Packed<float, vectorSize> values[width];
#pragma unroll
  for (int member = 0; member < width; ++member) values[member] = load<Packed<float, vectorSize>>(at[member] + i);
#pragma unroll
  for (int element = 0; element < vectorSize; ++element) {
    float tuple[width];
#pragma unroll
    for (int member = 0; member < width; ++member) tuple[member] = values[member][element];
    visit(tuple);
#pragma unroll
    for (int member = 0; member < width; ++member) values[member][element] = tuple[member];
  }
#pragma unroll
  for (int member = 0; member < width; ++member) {
    if (Visit::writes >> member & 1) store(at[member] + i, values[member]);
  }
}

}  // namespace detail

/// Calls visit(values) for each tuple of values in this block's chunk and writes back the members whose bit is set in
/// Visit::writes.
template <int width, class Visit>
__device__ __forceinline__ void visitChunk(const Multitensor<width>& table, const Visit& visit) {
  const MultitensorRange range(table);
  float* at[width];
#pragma unroll
  for (int member = 0; member < width; ++member) at[member] = table.values[range.tuple][member] + range.first;
  const int32_t vectorized = range.count / 4 * 4;
  for (int32_t i = threadIdx.x * 4; i < vectorized; i += blockDim.x * 4) detail::visitVector<4>(at, i, visit);
  for (int32_t i = vectorized + threadIdx.x; i < range.count; i += blockDim.x) detail::visitVector<1>(at, i, visit);
}

}  // namespace spinegrad
