// conv2d on tensor cores: each pass is one product of matrices (lib/gemm.cuh) whose operands are read from images and
// filters in place (lib/convolution.cuh).
#include "kernels/lib/convolution.cuh"

template <class Tile, class Precision>
__device__ __forceinline__ void fprop(const float* x, const float* w, const float* bias, float* y,
                                      const Conv2dShape& shape, int stepsPerPart) {
  const int pixels = shape.images * shape.outputH * shape.outputW, pitch = shape.outputChannels;
  const int filterSize = shape.kernelH * shape.kernelW * shape.channels;
  const int across = ceilDivide(pitch, Tile::columns);
  const int firstRow = blockIdx.x / across * Tile::rows, firstColumn = blockIdx.x % across * Tile::columns;
  const Steps steps(filterSize, blockIdx.y, stepsPerPart);
  const Axis down{shape.outputH, shape.kernelH, shape.strideH, -shape.padH};
  const Axis right{shape.outputW, shape.kernelW, shape.strideW, -shape.padW};
  float* const part = y + int64_t(blockIdx.y) * pixels * pitch;
  multiplyTile<Tile, Precision>(
      PixelRows<Tile, 1>(x, shape.images, shape.height, shape.width, shape.channels, down, right, firstRow,
                         steps.first),
      FilterRows<Tile>(w, shape.filters, filterSize, firstColumn, steps.first), steps.count,
      RowsOut{part + int64_t(firstRow) * pitch + firstColumn, pixels - firstRow, pitch - firstColumn, pitch,
              bias == nullptr ? bias : bias + firstColumn, shape.filters - firstColumn});
}

/// blockIdx.z is the phase.
template <class Tile, class Precision>
__device__ __forceinline__ void dgrad(const float* dy, const float* w, float* dx, const Conv2dShape& shape,
                                      int stepsPerPart) {
  const Phase down(blockIdx.z / shape.strideW, shape.strideH, shape.padH, shape.kernelH, shape.height);
  const Phase right(blockIdx.z % shape.strideW, shape.strideW, shape.padW, shape.kernelW, shape.width);
  const int across = ceilDivide(shape.channels, Tile::columns);
  const int firstRow = blockIdx.x / across * Tile::rows, firstColumn = blockIdx.x % across * Tile::columns;
  if (firstRow >= shape.images * down.size * right.size) return;
  const Steps steps(down.taps * right.taps * shape.outputChannels, blockIdx.y, stepsPerPart);
  multiplyTile<Tile, Precision>(
      PixelRows<Tile, -1>(dy, shape.images, shape.outputH, shape.outputW, shape.outputChannels, down, right, firstRow,
                          steps.first),
      FilterColumns<Tile>(w, shape, down, right, firstColumn, steps.first), steps.count,
      PhaseOut{dx, shape, down, right, int(blockIdx.y), firstRow, firstColumn, shape.channels - firstColumn});
}

template <class Tile, class Precision>
__device__ __forceinline__ void wgrad(const float* x, const float* dy, float* dw, const Conv2dShape& shape,
                                      int stepsPerPart) {
  const int pixels = shape.images * shape.outputH * shape.outputW;
  const int filterSize = shape.kernelH * shape.kernelW * shape.channels;
  const int across = ceilDivide(filterSize, Tile::columns);
  const int firstRow = blockIdx.x / across * Tile::rows, firstColumn = blockIdx.x % across * Tile::columns;
  const Steps steps(pixels, blockIdx.y, stepsPerPart);
  float* const part = dw + int64_t(blockIdx.y) * shape.filters * filterSize;
  multiplyTile<Tile, Precision>(GradientColumns<Tile>(dy, pixels, shape.outputChannels, firstRow, steps.first),
                                PixelColumns<Tile>(x, shape, firstColumn, steps.first), steps.count,
                                RowsOut{part + int64_t(firstRow) * filterSize + firstColumn, shape.filters - firstRow,
                                        filterSize - firstColumn, filterSize, nullptr, 0});
}

using Tile128x128 = GemmTile<128, 128, 64, 32>;
using Tile128x64 = GemmTile<128, 64, 64, 32>;
using Tile64x64 = GemmTile<64, 64, 32, 32>;

#define CONV2D_KERNELS(precision, Precision, tile, blocks)                                                            \
  SPINEGRAD_KERNEL(conv2d_fprop_##precision##_##tile, SPINEGRAD_BOUNDS(Tile##tile::threads, blocks),                  \
                   (const float* x, const float* w, const float* bias, float* y, Conv2dShape shape, int32_t steps)) { \
    fprop<Tile##tile, Precision>(x, w, bias, y, shape, steps);                                                        \
  }                                                                                                                   \
  SPINEGRAD_KERNEL(conv2d_dgrad_##precision##_##tile, SPINEGRAD_BOUNDS(Tile##tile::threads, blocks),                  \
                   (const float* dy, const float* w, float* dx, Conv2dShape shape, int32_t steps)) {                  \
    dgrad<Tile##tile, Precision>(dy, w, dx, shape, steps);                                                            \
  }                                                                                                                   \
  SPINEGRAD_KERNEL(conv2d_wgrad_##precision##_##tile, SPINEGRAD_BOUNDS(Tile##tile::threads, blocks),                  \
                   (const float* x, const float* dy, float* dw, Conv2dShape shape, int32_t steps)) {                  \
    wgrad<Tile##tile, Precision>(x, dy, dw, shape, steps);                                                            \
  }

CONV2D_KERNELS(tf32, Tf32, 128x128, 2)
CONV2D_KERNELS(tf32, Tf32, 128x64, 3)
CONV2D_KERNELS(tf32, Tf32, 64x64, 4)
CONV2D_KERNELS(bf16, Bf16, 128x128, 2)
CONV2D_KERNELS(bf16, Bf16, 128x64, 3)
CONV2D_KERNELS(bf16, Bf16, 64x64, 4)

/// y [count] = the parts of a split product, added in their order, and the bias of each column.
SPINEGRAD_KERNEL(conv2d_add_parts, 256,
                 (const float* parts, const float* bias, float* y, int64_t count, int32_t partCount, int32_t pitch,
                  int32_t filters)) {
  for (int64_t i = globalThread(); i < count; i += allThreads()) {
    float total = parts[i];
    for (int part = 1; part < partCount; ++part) total += parts[part * count + i];
    if (bias != nullptr && i % pitch < filters) total += bias[i % pitch];
    y[i] = total;
  }
}
