// The grid of kernels that process channels-last images with eachFour() of kernels/lib/pixels.cuh.
#pragma once

#include <algorithm>

#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"

namespace spinegrad::cuda {

/// Blocks of 128 threads over the image rows of `shape`, four channels per thread.
inline Dim gridOver(const Shape& shape) {
  const int64_t vectors = shape[3] * paddedChannels(shape[1]) / 4, lines = shape[0] * shape[2];
  return {static_cast<unsigned>((vectors + 127) / 128), static_cast<unsigned>(std::min<int64_t>(lines, 65535))};
}

}  // namespace spinegrad::cuda
