// Mean and squared deviations of values in registers. The two-pass formula is stable for any mean, and the results of
// groups merge exactly (Chan, Golub and LeVeque 1979; kernels/batchNorm2d.cu).
#pragma once

#include "kernels/channelStatistics.h"
#include "kernels/lib/vector.cuh"

namespace spinegrad {

/// {mean, sum of squared deviations} of the `count` values of one channel: value(i), i < N, if exists(i), in all lanes
/// whose numbers are equal modulo `laneStride`, a power of two. All these lanes get the result.
template <int N, int laneStride, class Value, class Exists>
__device__ __forceinline__ Float2 momentsOf(int count, Value value, Exists exists) {
  float sum = 0;
#pragma unroll
  for (int i = 0; i < N; ++i) sum += exists(i) ? value(i) : 0.0f;
#pragma unroll
  for (int step = laneStride; step < 32; step *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  const float mean = sum / static_cast<float>(count);
  float squares = 0;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float deviation = value(i) - mean;
    squares += exists(i) ? deviation * deviation : 0.0f;
  }
#pragma unroll
  for (int step = laneStride; step < 32; step *= 2) squares += __shfl_xor_sync(0xffffffffu, squares, step);
  return {{mean, squares}};
}

}  // namespace spinegrad
