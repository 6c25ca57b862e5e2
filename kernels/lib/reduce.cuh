// Sums and maxima over a warp and over a block, always in the same order, so that the same input gives the same bits.
// A warp folds itself in five shuffles (lane i with lane i^16, i^8, ...); a block folds the results of its warps.
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

/// Every lane gets the result over groups of `width` lanes (32: the whole warp).
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

/// Every thread gets the result over the block; blocks of one dimension and of whole warps, all threads must come.
/// `nothing` is what changes no result: 0 for sums, the least value for maxima.
template <class T, class Fold>
__device__ __forceinline__ T blockReduce(T value, T nothing, Fold fold) {
  SPINEGRAD_SHARED(T[32], partial);
  value = warpReduce(value, fold);
  if (laneId() == 0) partial[warpId()] = value;
  __syncthreads();
  value = warpReduce(laneId() < static_cast<int>(blockDim.x / 32) ? partial[laneId()] : nothing, fold);
  __syncthreads();  // `partial` may be used again
  return value;
}

template <class T>
__device__ __forceinline__ T blockSum(T value) {
  return blockReduce(value, T(0), Sum());
}

template <class T>
__device__ __forceinline__ T blockMax(T value, T least) {
  return blockReduce(value, least, Max());
}

}  // namespace spinegrad
