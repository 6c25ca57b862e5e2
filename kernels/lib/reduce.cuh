// Sums and maxima over a warp or a block. The order is fixed, so the same input gives the same bits: a warp reduces in
// five shuffles (lane i with lane i^16, i^8, ...), and a block reduces the results of its warps.
#pragma once

#include "kernels/lib/kernel.cuh"

namespace spinegrad {

struct Sum {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};

struct Max {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};

/// Reduces over groups of `width` lanes. Every lane gets the result of its group.
template <int width = 32, class T, class Fold>
__device__ __forceinline__ T warpReduce(T value, Fold fold) {
#pragma unroll
  for (int step = width / 2; step > 0; step /= 2) value = fold(value, __shfl_xor_sync(0xffffffffu, value, step));
  return value;
}

template <int width = 32, class T>
__device__ __forceinline__ T warpSum(T value) {
  return warpReduce<width>(value, Sum());
}

template <int width = 32, class T>
__device__ __forceinline__ T warpMax(T value) {
  return warpReduce<width>(value, Max());
}

/// Reduces over the block. Every thread must call it and gets the result. The block has one dimension and full warps.
/// `identity` is the neutral element of `fold`: 0 for sums, the lowest value for maxima.
template <class T, class Fold>
__device__ __forceinline__ T blockReduce(T value, T identity, Fold fold) {
  SPINEGRAD_SHARED(T[32], partial);
  value = warpReduce(value, fold);
  if (laneId() == 0) partial[warpId()] = value;
  __syncthreads();
  value = warpReduce(laneId() < static_cast<int>(blockDim.x / 32) ? partial[laneId()] : identity, fold);
  __syncthreads();  // so that the next call may overwrite `partial`
  return value;
}

template <class T>
__device__ __forceinline__ T blockSum(T value) {
  return blockReduce(value, T(0), Sum());
}

template <class T>
__device__ __forceinline__ T blockMax(T value, T lowest) {
  return blockReduce(value, lowest, Max());
}

}  // namespace spinegrad
