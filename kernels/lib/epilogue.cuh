// The epilogue of conv2d's fprop, shared by all of its kernels: residual and ReLU of a value that includes its bias.
#pragma once

#include "kernels/conv2d.h"
#include "kernels/lib/vector.cuh"

namespace spinegrad {

__device__ __forceinline__ float applyEpilogue(float value, const Conv2dEpilogue& epilogue, int64_t at) {
  if (epilogue.residual != nullptr) value += epilogue.residual[at];
  return epilogue.relu && value < 0 ? 0.0f : value;
}

/// The same for four contiguous values from `at`.
__device__ __forceinline__ Float4 applyEpilogue(Float4 values, const Conv2dEpilogue& epilogue, int64_t at) {
  const Float4 residual = epilogue.residual != nullptr ? load<Float4>(epilogue.residual + at) : Float4{};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float value = values[i] + residual[i];
    values[i] = epilogue.relu && value < 0 ? 0.0f : value;
  }
  return values;
}

}  // namespace spinegrad
