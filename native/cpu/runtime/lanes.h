// One value of each channel of a block, as the compiler's own vector type: a loop over pixels is vector code as it is
// written, for the instruction set of the clone (simd.h) that it is inlined into.
#pragma once

#include <cstdint>

#include "native/cpu/runtime/math.h"

namespace spinegrad::cpu {

template <int64_t block>
struct LanesOf {
  typedef float Type __attribute__((vector_size(block * sizeof(float)), aligned(4), may_alias));
  typedef int32_t Integers __attribute__((vector_size(block * sizeof(int32_t))));
  typedef double Doubles __attribute__((vector_size(block * sizeof(double)), aligned(8), may_alias));
};

template <int64_t block>
using Lanes = typename LanesOf<block>::Type;

/// Pixel `index` of values that lie pixel by pixel.
template <int64_t block>
SPINEGRAD_INLINE const Lanes<block>& lanesAt(const float* values, int64_t index) {
  return reinterpret_cast<const Lanes<block>*>(values)[index];
}

template <int64_t block>
SPINEGRAD_INLINE Lanes<block>& lanesAt(float* values, int64_t index) {
  return reinterpret_cast<Lanes<block>*>(values)[index];
}

/// Rows become columns: the off-diagonal quarters change places, then those of each quarter.
template <int64_t block, int64_t side = block / 2, class Vector>
SPINEGRAD_INLINE void transpose(Vector (&square)[block]) {
  using Indices = typename LanesOf<block>::Integers;
  Indices left, right;
#pragma GCC unroll 16
  for (int32_t lane = 0; lane < block; ++lane) {
    left[lane] = lane & side ? block + lane - side : lane;
    right[lane] = lane & side ? block + lane : lane + side;
  }
#pragma GCC unroll 16
  for (int64_t row = 0; row < block; ++row) {
    if (row & side) continue;
    const Vector upper = square[row], lower = square[row + side];
    square[row] = __builtin_shuffle(upper, lower, left);
    square[row + side] = __builtin_shuffle(upper, lower, right);
  }
  if constexpr (side > 1) transpose<block, side / 2>(square);
}

}  // namespace spinegrad::cpu
