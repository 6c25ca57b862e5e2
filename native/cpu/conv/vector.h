// The vector type of a convolution kernel that is compiled for one vector length, SPINEGRAD_LANES. The files that
// include this header are compiled for AVX2 and AVX-512 and use no inline function of the standard library: the linker
// keeps one copy of such a function, possibly the copy that was compiled for an instruction set that the processor does
// not have.
#pragma once

#include <cstdint>

#include "native/cpu/runtime/math.h"

namespace spinegrad::cpu {
namespace {

constexpr int64_t lanes = SPINEGRAD_LANES;
using Vector = float __attribute__((vector_size(4 * lanes)));

SPINEGRAD_INLINE Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
SPINEGRAD_INLINE void store(float* to, Vector value) { *reinterpret_cast<Vector*>(to) = value; }
SPINEGRAD_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

}  // namespace
}  // namespace spinegrad::cpu
