// Mean and squared deviations of values that are still in registers, by two passes over them, which lose no digits
// whatever the mean; groups of them merge exactly (Chan, Golub and LeVeque 1979; kernels/batchNorm2d.cu).
#pragma once

#include "kernels/channelStatistics.h"
#include "kernels/lib/vector.cuh"

namespace spinegrad {

/// {mean, sum of squared deviations} of one channel's `count` values: value(i), i < N, where exists(i), of all lanes
/// that differ in nothing below bit `lowest`. All lanes get them.
template <int N, int lowest, class Value, class Exists>
__device__ __forceinline__ Float2 momentsOf(int count, Value value, Exists exists) {
  float total = 0;
#pragma unroll
  for (int i = 0; i < N; ++i) total += exists(i) ? value(i) : 0.0f;
#pragma unroll
  for (int step = lowest; step < 32; step *= 2) total += __shfl_xor_sync(0xffffffffu, total, step);
  const float mean = total / static_cast<float>(count);
  float squares = 0;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float deviation = value(i) - mean;
    squares += exists(i) ? deviation * deviation : 0.0f;
  }
#pragma unroll
  for (int step = lowest; step < 32; step *= 2) squares += __shfl_xor_sync(0xffffffffu, squares, step);
  return {{mean, squares}};
}

}  // namespace spinegrad
