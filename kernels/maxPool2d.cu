// maxPool2d over images with their channels last. Forward notes which value of the window won, one byte; backward
// gathers: a value of dx adds up, window by window in a fixed order, the gradients of those that it won.
//
// A thread takes four channels of one pixel of its output, threads next to each other the next channels and then the
// next column: whole lines of 16 bytes a lane, and what windows share comes from the caches. The stem of ResNet
// (64 channels, 48 x 48 to 24 x 24 by windows of 3 x 3 every 2, batch 64) reads 38 MB and writes 9.4 + 2.4; backward
// reads 12 and writes 38. It is bound by memory.
//
// The winners [images, pooledHeight, pooledWidth, channels] are not padded: they are a tensor like any other.
#include "kernels/lib/kernel.cuh"
#include "kernels/lib/vector.cuh"
#include "kernels/maxPool2d.h"

namespace {

/// Calls visit(image, row, column, first of four channels) for this thread's part of [images, height, width, padded].
/// grid: values of a row of the image, rows of all images.
template <class Visit>
__device__ __forceinline__ void eachFour(int64_t images, int32_t height, int32_t width, int32_t padded, Visit visit) {
  const int32_t fours = padded / 4;
  for (int64_t line = blockIdx.y; line < images * height; line += gridDim.y) {
    const int64_t image = line / height;
    const auto row = static_cast<int32_t>(line - image * height);
    for (int64_t item = globalThread(); item < int64_t(width) * fours; item += allThreads()) {
      const auto column = static_cast<int32_t>(item / fours);
      visit(image, row, column, static_cast<int32_t>(item - int64_t(column) * fours) * 4);
    }
  }
}

using Bytes = Packed<uint8_t, 4>;

__device__ __forceinline__ void storeWinners(uint8_t* to, const int32_t (&winner)[4], int32_t left, bool whole) {
  if (whole) {
    Bytes bytes;
#pragma unroll
    for (int i = 0; i < 4; ++i) bytes[i] = static_cast<uint8_t>(winner[i]);
    store(to, bytes);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (i < left) to[i] = static_cast<uint8_t>(winner[i]);
    }
  }
}

/// Channels of the padding have no winner: no place is 256.
__device__ __forceinline__ void loadWinners(const uint8_t* from, int32_t (&winner)[4], int32_t left, bool whole) {
  if (whole) {
    const Bytes bytes = load<Bytes>(from);
#pragma unroll
    for (int i = 0; i < 4; ++i) winner[i] = bytes[i];
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) winner[i] = i < left ? from[i] : 256;
  }
}

}  // namespace

SPINEGRAD_KERNEL(maxPool2d_forward, 256,
                 (const float* __restrict__ x, MaxPool2dShape s, float* __restrict__ y,
                  uint8_t* __restrict__ winners)) {
  eachFour(s.images, s.pooledHeight, s.pooledWidth, s.padded, [&](int64_t image, int32_t p, int32_t q, int32_t c) {
    const int32_t top = p * s.strideH - s.padH, left = q * s.strideW - s.padW;
    const int32_t firstRow = max(top, 0), firstColumn = max(left, 0);
    const float* from = x + image * s.height * s.width * s.padded + c;
    Float4 best = load<Float4>(from + (int64_t(firstRow) * s.width + firstColumn) * s.padded);
    int32_t winner[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) winner[i] = (firstRow - top) * s.kernelW + firstColumn - left;
    for (int32_t row = firstRow; row < min(top + s.kernelH, s.height); ++row) {
      for (int32_t column = firstColumn; column < min(left + s.kernelW, s.width); ++column) {
        const Float4 value = load<Float4>(from + (int64_t(row) * s.width + column) * s.padded);
        const int32_t place = (row - top) * s.kernelW + column - left;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          // Written so that NaN wins over everything.
          const bool larger = !(value[i] <= best[i]);
          best[i] = larger ? value[i] : best[i];
          winner[i] = larger ? place : winner[i];
        }
      }
    }
    const int64_t pixel = (image * s.pooledHeight + p) * s.pooledWidth + q;
    store(y + pixel * s.padded + c, best);
    storeWinners(winners + pixel * s.channels + c, winner, s.channels - c, s.channels % 4 == 0 && c < s.channels);
  });
}

SPINEGRAD_KERNEL(maxPool2d_backward, SPINEGRAD_BOUNDS(256, 4),
                 (const float* __restrict__ dy, const uint8_t* __restrict__ winners, MaxPool2dShape s,
                  float* __restrict__ dx)) {
  eachFour(s.images, s.height, s.width, s.padded, [&](int64_t image, int32_t row, int32_t column, int32_t c) {
    Float4 sum = {};
    // Windows p hold this row where p strideH - padH <= row < p strideH - padH + kernelH; columns alike.
    const int32_t firstP = max(row + s.padH - s.kernelH + s.strideH, 0) / s.strideH;
    const int32_t firstQ = max(column + s.padW - s.kernelW + s.strideW, 0) / s.strideW;
    const int32_t lastP = min((row + s.padH) / s.strideH, s.pooledHeight - 1);
    const int32_t lastQ = min((column + s.padW) / s.strideW, s.pooledWidth - 1);
    for (int32_t p = firstP; p <= lastP; ++p) {
      for (int32_t q = firstQ; q <= lastQ; ++q) {
        const int64_t pixel = (image * s.pooledHeight + p) * s.pooledWidth + q;
        const int32_t place = (row + s.padH - p * s.strideH) * s.kernelW + column + s.padW - q * s.strideW;
        const Float4 gradient = load<Float4>(dy + pixel * s.padded + c);
        int32_t winner[4];
        loadWinners(winners + pixel * s.channels + c, winner, s.channels - c, s.channels % 4 == 0 && c < s.channels);
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[i] += winner[i] == place ? gradient[i] : 0.0f;
      }
    }
    store(dx + ((image * s.height + row) * s.width + column) * s.padded + c, sum);
  });
}
