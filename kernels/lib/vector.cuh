// Vector accesses. A warp reaches the full memory bandwidth with 16 bytes per lane. The address must be a multiple of
// the vector's size; rows of channels are padded to 8 for this reason.
#pragma once

#include "kernels/lib/kernel.cuh"

namespace spinegrad {

template <class T, int N>
struct alignas(sizeof(T) * N) Packed {
  static_assert(sizeof(T) * N <= 16, "a vector access has at most 16 bytes");
  T value[N];

  __device__ __forceinline__ T& operator[](int i) { return value[i]; }
  __device__ __forceinline__ const T& operator[](int i) const { return value[i]; }
};

using Float2 = Packed<float, 2>;
using Float4 = Packed<float, 4>;
using Int4 = Packed<int32_t, 4>;
using Half8 = Packed<uint16_t, 8>;  // eight bf16 or f16, as bits

#if defined(__CUDACC__)

/// Loads a vector from an aligned address.
template <class P, class T>
__device__ __forceinline__ P load(const T* from) {
  return *reinterpret_cast<const P*>(from);
}

template <class P, class T>
__device__ __forceinline__ void store(T* to, const P& value) {
  *reinterpret_cast<P*>(to) = value;
}

#endif

/// values[at ... at + 3], with zeros from `count` on. `at` is a multiple of 4.
__device__ __forceinline__ Float4 loadFour(const float* values, int at, int count) {
  if (at + 4 <= count) return load<Float4>(values + at);
  Float4 result;
#pragma unroll
  for (int i = 0; i < 4; ++i) result[i] = at + i < count ? values[at + i] : 0.0f;
  return result;
}

}  // namespace spinegrad
