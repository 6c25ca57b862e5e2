// maxPool2d over channels-last images. Forward stores the argmax of each window as one byte. Backward gathers: a value
// of dx adds, window by window in a fixed order, the gradients of the windows whose argmax it is.
//
// A thread takes four channels of one pixel of its output; neighboring threads take the next channels, then the next
// column, so a warp reads whole lines and overlapping windows come from the caches. Bound by memory: the stem of ResNet
// (64 channels, 48 x 48 to 24 x 24, batch 64) reads 38 MB and writes 9.4 + 2.4 MB; backward reads 12 MB and writes 38
// MB.
//
// The argmax tensor [images, pooledHeight, pooledWidth, channels] is not padded.
#include "kernels/lib/pixels.cuh"
#include "kernels/lib/vector.cuh"
#include "kernels/maxPool2d.h"

namespace {

using Bytes = Packed<uint8_t, 4>;

__device__ __forceinline__ void storeArgmax(uint8_t* to, const int32_t (&index)[4], int32_t remaining,
                                            bool vectorized) {
  if (vectorized) {
    Bytes bytes;
#pragma unroll
    for (int i = 0; i < 4; ++i) bytes[i] = static_cast<uint8_t>(index[i]);
    store(to, bytes);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i < remaining) to[i] = static_cast<uint8_t>(index[i]);
    }
  }
}

/// Padding channels get 256, which is no index of a window.
__device__ __forceinline__ void loadArgmax(const uint8_t* from, int32_t (&index)[4], int32_t remaining,
                                           bool vectorized) {
  if (vectorized) {
    const Bytes bytes = load<Bytes>(from);
#pragma unroll
    for (int i = 0; i < 4; ++i) index[i] = bytes[i];
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) index[i] = i < remaining ? from[i] : 256;
  }
}

}  // namespace

SPINEGRAD_KERNEL(maxPool2d_forward, 256,
                 (const float* __restrict__ x, MaxPool2dShape s, float* __restrict__ y, uint8_t* __restrict__ argmax)) {
  const auto pool = [&](int64_t image, int32_t p, int32_t q, int32_t c) {
    const int32_t top = p * s.strideH - s.padH, left = q * s.strideW - s.padW;
    const int32_t firstRow = max(top, 0), firstColumn = max(left, 0);
    const float* from = x + image * s.height * s.width * s.paddedChannels + c;
    Float4 best = load<Float4>(from + (int64_t(firstRow) * s.width + firstColumn) * s.paddedChannels);
    int32_t index[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) index[i] = (firstRow - top) * s.kernelW + firstColumn - left;
    for (int32_t row = firstRow; row < min(top + s.kernelH, s.height); ++row) {
      for (int32_t column = firstColumn; column < min(left + s.kernelW, s.width); ++column) {
        const Float4 value = load<Float4>(from + (int64_t(row) * s.width + column) * s.paddedChannels);
        const int32_t windowIndex = (row - top) * s.kernelW + column - left;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          // NaN is the maximum: nothing is larger than a NaN, and a NaN replaces any value.
          const bool larger = value[i] > best[i] || value[i] != value[i];
          best[i] = larger ? value[i] : best[i];
          index[i] = larger ? windowIndex : index[i];
        }
      }
    }
    const int64_t pixel = (image * s.pooledHeight + p) * s.pooledWidth + q;
    store(y + pixel * s.paddedChannels + c, best);
    storeArgmax(argmax + pixel * s.channels + c, index, s.channels - c, s.channels % 4 == 0 && c < s.channels);
  };
  eachFour(s.images, s.pooledHeight, s.pooledWidth, s.paddedChannels, pool);
}

SPINEGRAD_KERNEL(maxPool2d_backward, SPINEGRAD_BOUNDS(256, 4),
                 (const float* __restrict__ dy, const uint8_t* __restrict__ argmax, MaxPool2dShape s,
                  float* __restrict__ dx)) {
  eachFour(s.images, s.height, s.width, s.paddedChannels, [&](int64_t image, int32_t row, int32_t column, int32_t c) {
    Float4 sum = {};
    // Window p contains this row if p strideH - padH <= row < p strideH - padH + kernelH; the same for columns.
    const int32_t firstP = max(row + s.padH - s.kernelH + s.strideH, 0) / s.strideH;
    const int32_t firstQ = max(column + s.padW - s.kernelW + s.strideW, 0) / s.strideW;
    const int32_t lastP = min((row + s.padH) / s.strideH, s.pooledHeight - 1);
    const int32_t lastQ = min((column + s.padW) / s.strideW, s.pooledWidth - 1);
    for (int32_t p = firstP; p <= lastP; ++p) {
      for (int32_t q = firstQ; q <= lastQ; ++q) {
        const int64_t pixel = (image * s.pooledHeight + p) * s.pooledWidth + q;
        const int32_t windowIndex = (row + s.padH - p * s.strideH) * s.kernelW + column + s.padW - q * s.strideW;
        const Float4 gradient = load<Float4>(dy + pixel * s.paddedChannels + c);
        int32_t index[4];
        loadArgmax(argmax + pixel * s.channels + c, index, s.channels - c, s.channels % 4 == 0 && c < s.channels);
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[i] += index[i] == windowIndex ? gradient[i] : 0.0f;
      }
    }
    store(dx + ((image * s.height + row) * s.width + column) * s.paddedChannels + c, sum);
  });
}
