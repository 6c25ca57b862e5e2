// Loops over channels-last images, padded to a multiple of 8 channels.
#pragma once

#include "kernels/lib/kernel.cuh"

namespace spinegrad {

/// Calls visit(image, row, column, first of four channels) for this thread's values of [images, height, width,
/// paddedChannels]. grid: values of an image row, rows of all images.
template <class Visit>
__device__ __forceinline__ void eachFour(int64_t images, int32_t height, int32_t width, int32_t paddedChannels,
                                         Visit visit) {
  const int32_t vectors = paddedChannels / 4;
  for (int64_t line = blockIdx.y; line < images * height; line += gridDim.y) {
    const int64_t image = line / height;
    const auto row = static_cast<int32_t>(line - image * height);
    for (int64_t item = globalThread(); item < int64_t(width) * vectors; item += gridThreads()) {
      const auto column = static_cast<int32_t>(item / vectors);
      visit(image, row, column, static_cast<int32_t>(item - int64_t(column) * vectors) * 4);
    }
  }
}

}  // namespace spinegrad
