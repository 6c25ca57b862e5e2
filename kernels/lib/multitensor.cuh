// Loops over the values of many tensors at once: see kernels/multitensor.h for the table.
//
// A block finds its piece by bisection in the table (constant memory, the same address for all threads) and goes over
// it in 16-byte accesses; what is left of the last piece of a tensor is taken value by value. Memory is all that
// counts.
#pragma once

#include "kernels/lib/kernel.cuh"
#include "kernels/lib/vector.cuh"
#include "kernels/multitensor.h"

namespace spinegrad {

/// The part of a tuple of tensors that a block works on.
struct MultitensorPart {
  int32_t tuple, count;
  int64_t first;

  template <int width>
  __device__ __forceinline__ explicit MultitensorPart(const Multitensor<width>& table) {
    const auto piece = static_cast<int32_t>(blockIdx.x);
    int32_t low = 0, high = table.tuples;
    while (high - low > 1) {
      const int32_t middle = (low + high) / 2;
      (table.firstPiece[middle] <= piece ? low : high) = middle;
    }
    tuple = low;
    first = int64_t(piece - table.firstPiece[low]) * multitensorPiece;
    count = static_cast<int32_t>(min(table.size[low] - first, int64_t(multitensorPiece)));
  }
};

namespace detail {

template <int lanes, int width, class Visit>
__device__ __forceinline__ void visitLanes(float* const (&at)[width], int32_t i, Visit visit) {
  Packed<float, lanes> values[width];
#pragma unroll
  for (int member = 0; member < width; ++member) values[member] = load<Packed<float, lanes>>(at[member] + i);
#pragma unroll
  for (int lane = 0; lane < lanes; ++lane) {
    float one[width];
#pragma unroll
    for (int member = 0; member < width; ++member) one[member] = values[member][lane];
    visit(one);
#pragma unroll
    for (int member = 0; member < width; ++member) values[member][lane] = one[member];
  }
#pragma unroll
  for (int member = 0; member < width; ++member) {
    if (Visit::writes >> member & 1) store(at[member] + i, values[member]);
  }
}

}  // namespace detail

/// Calls visit(values) for each tuple of values in this block's piece and writes back those members whose bit is set in
/// Visit::writes.
template <int width, class Visit>
__device__ __forceinline__ void visitPiece(const Multitensor<width>& table, const Visit& visit) {
  const MultitensorPart part(table);
  float* at[width];
#pragma unroll
  for (int member = 0; member < width; ++member) at[member] = table.values[part.tuple][member] + part.first;
  const int32_t whole = part.count / 4 * 4;
  for (int32_t i = threadIdx.x * 4; i < whole; i += blockDim.x * 4) detail::visitLanes<4>(at, i, visit);
  for (int32_t i = whole + threadIdx.x; i < part.count; i += blockDim.x) detail::visitLanes<1>(at, i, visit);
}

}  // namespace spinegrad
