// Layout conversion of float32 tensors with four axes: row-major [N, C, P] (P pixels) to channels last [N, P, Cp] and
// back. Cp is C rounded up to a multiple of 8, with zeros in the padding.
//
// Both are transposes of a C x P matrix per image. A block of 32 x 8 threads moves a tile of 32 x 32 through shared
// memory and accesses whole lines on both sides. Bound by memory: 4 bytes in and 4 out per element. A tile row of 33
// floats puts the elements of a column into different banks.
#include "kernels/lib/kernel.cuh"

constexpr int tileSide = 32;
constexpr int tileRows = 8;

/// grid: tiles of pixels, tiles of padded channels, images.
SPINEGRAD_KERNEL(layout_to_channels_last, 256,
                 (const float* x, float* y, int64_t images, int32_t channels, int32_t paddedChannels, int32_t pixels)) {
  SPINEGRAD_SHARED(float[tileSide][tileSide + 1], tile);
  const int32_t firstPixel = blockIdx.x * tileSide, firstChannel = blockIdx.y * tileSide;
  const int32_t lane = threadIdx.x;
  for (int64_t image = blockIdx.z; image < images; image += gridDim.z) {
    for (int row = threadIdx.y; row < tileSide; row += tileRows) {
      const int32_t channel = firstChannel + row, pixel = firstPixel + lane;
      const bool inside = channel < channels && pixel < pixels;
      tile[row][lane] = inside ? x[(image * channels + channel) * pixels + pixel] : 0.0f;
    }
    __syncthreads();
    for (int row = threadIdx.y; row < tileSide; row += tileRows) {
      const int32_t pixel = firstPixel + row, channel = firstChannel + lane;
      if (pixel < pixels && channel < paddedChannels)
        y[(image * pixels + pixel) * paddedChannels + channel] = tile[lane][row];
    }
    __syncthreads();
  }
}

SPINEGRAD_KERNEL(layout_to_row_major, 256,
                 (const float* x, float* y, int64_t images, int32_t channels, int32_t paddedChannels, int32_t pixels)) {
  SPINEGRAD_SHARED(float[tileSide][tileSide + 1], tile);
  const int32_t firstPixel = blockIdx.x * tileSide, firstChannel = blockIdx.y * tileSide;
  const int32_t lane = threadIdx.x;
  for (int64_t image = blockIdx.z; image < images; image += gridDim.z) {
    for (int row = threadIdx.y; row < tileSide; row += tileRows) {
      const int32_t pixel = firstPixel + row, channel = firstChannel + lane;
      if (pixel < pixels && channel < paddedChannels)
        tile[row][lane] = x[(image * pixels + pixel) * paddedChannels + channel];
    }
    __syncthreads();
    for (int row = threadIdx.y; row < tileSide; row += tileRows) {
      const int32_t channel = firstChannel + row, pixel = firstPixel + lane;
      if (channel < channels && pixel < pixels) y[(image * channels + channel) * pixels + pixel] = tile[lane][row];
    }
    __syncthreads();
  }
}
