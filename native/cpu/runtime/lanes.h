// The channels of one pixel of a channel block, as a GCC vector. A loop over pixels compiles to vector instructions of
// the function clone (simd.h) into which it is inlined.
#pragma once

#include <cstdint>

#include "native/cpu/runtime/math.h"

namespace spinegrad::cpu {

template <int64_t lanes>
struct LanesOf {
  typedef float Type __attribute__((vector_size(lanes * sizeof(float)), aligned(4), may_alias));
  typedef int32_t Integers __attribute__((vector_size(lanes * sizeof(int32_t))));
  typedef double Doubles __attribute__((vector_size(lanes * sizeof(double)), aligned(8), may_alias));
};

template <int64_t lanes>
using Lanes = typename LanesOf<lanes>::Type;

/// Vector `index` of a contiguous array.
template <int64_t lanes>
SPINEGRAD_INLINE const Lanes<lanes>& lanesAt(const float* values, int64_t index) {
  return reinterpret_cast<const Lanes<lanes>*>(values)[index];
}

template <int64_t lanes>
SPINEGRAD_INLINE Lanes<lanes>& lanesAt(float* values, int64_t index) {
  return reinterpret_cast<Lanes<lanes>*>(values)[index];
}

/// Transposes a square: exchanges its off-diagonal quarters, then recursively those of each quarter.
template <int64_t lanes, int64_t side = lanes / 2, class Vector>
SPINEGRAD_INLINE void transpose(Vector (&square)[lanes]) {
  using Indices = typename LanesOf<lanes>::Integers;
  Indices left, right;
#pragma GCC unroll 16
  for (int32_t lane = 0; lane < lanes; ++lane) {
    left[lane] = lane & side ? lanes + lane - side : lane;
    right[lane] = lane & side ? lanes + lane : lane + side;
  }
#pragma GCC unroll 16
  for (int64_t row = 0; row < lanes; ++row) {
    if (row & side) continue;
    const Vector upper = square[row], lower = square[row + side];
    square[row] = __builtin_shuffle(upper, lower, left);
    square[row + side] = __builtin_shuffle(upper, lower, right);
  }
  if constexpr (side > 1) transpose<lanes, side / 2>(square);
}

}  // namespace spinegrad::cpu
