// exp and log of float32 that the compiler can vectorise: no branches, no tables. They are always inlined, so they are
// compiled for the instruction set of the calling leaf loop (simd.h). The errors are measured over every float of the
// domain against double precision, with AVX-512; the coefficients are minimax fits by Lawson's iteration.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace spinegrad::cpu {

#define SPINEGRAD_INLINE __attribute__((always_inline)) inline
/// The same for a lambda; it follows the parameter list.
#define SPINEGRAD_LAMBDA __attribute__((always_inline))

/// e^x with an error of at most 1.1 ulp. Results below 2^-126 are 0, results that overflow are infinite; NaN stays NaN.
SPINEGRAD_INLINE float exponential(float x) {
  constexpr float toInteger = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
  const float shifted = x * 1.442695041f + toInteger;
  const float n = shifted - toInteger;
  // ln 2 in two parts: n times the first part is exact.
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.395049156e-3f;
  p = p * r + 8.368889801e-3f;
  p = p * r + 4.166620597e-2f;
  p = p * r + 1.666651815e-1f;
  p = p * r + 0.5f;
  p = (p * (r * r) + r) + 1.0f;
  const uint32_t exponent = std::bit_cast<uint32_t>(shifted) << 23;
  const float y = std::bit_cast<float>(std::bit_cast<uint32_t>(p) + exponent);
  const float high = x <= 88.722839f ? y : x * std::numeric_limits<float>::infinity();
  return x < -87.336544f ? 0.0f : high;
}

/// log x for normal positive x, with an error of at most 0.9 ulp. NaN and infinity give NaN.
SPINEGRAD_INLINE float logarithm(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  // x / 2^exponent is in [sqrt(1/2), sqrt(2)).
  const int32_t exponent = static_cast<int32_t>(bits - 0x3f3504f3u) >> 23;
  const float f = std::bit_cast<float>(bits - (static_cast<uint32_t>(exponent) << 23)) - 1.0f;
  const float n = static_cast<float>(exponent);
  float p = -7.634496689e-2f;
  p = p * f + 1.276157647e-1f;
  p = p * f - 1.316018254e-1f;
  p = p * f + 1.420175731e-1f;
  p = p * f - 1.662335694e-1f;
  p = p * f + 2.000122666e-1f;
  p = p * f - 2.500081956e-1f;
  p = p * f + 3.333333135e-1f;
  const float square = f * f;
  const float y = ((p * (f * square) - n * 2.12194440e-4f) - 0.5f * square) + f + n * 0.693359375f;
  return y + (x - x);
}

/// log(1 + x) for 0 <= x <= 2^24, with an error of at most 1.3 ulp, also near 0: the last term corrects the rounding of
/// 1 + x.
SPINEGRAD_INLINE float logarithm1p(float x) {
  const float y = 1.0f + x;
  return logarithm(y) + (x - (y - 1.0f)) / y;
}

}  // namespace spinegrad::cpu
