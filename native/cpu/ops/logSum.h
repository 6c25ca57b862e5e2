// Online log-sum-exp: a maximum, and the sum of exponentials relative to it.
#pragma once

#include <cstdint>
#include <limits>

#include "native/cpu/runtime/math.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {

constexpr float infinity = std::numeric_limits<float>::infinity();

/// Adds values to a maximum, first -infinity, and a sum, first 0.
SPINEGRAD_SIMD static void addToRow(const float* s, int64_t count, float* max, float* sum) {
  float newMax = *max;
#pragma omp simd reduction(max : newMax)
  for (int64_t j = 0; j < count; ++j) newMax = s[j] > newMax ? s[j] : newMax;
  const float shift = newMax == -infinity ? 0 : newMax;
  float added = 0;
#pragma omp simd reduction(+ : added)
  for (int64_t j = 0; j < count; ++j) added += exponential(s[j] - shift);
  *sum = *sum * exponential(*max - shift) + added;
  *max = newMax;
}

}  // namespace spinegrad::cpu
