// conv2d on tensor cores: each pass is one product of matrices (lib/gemm.cuh) whose operands are read from images and
// filters in place (lib/convolution.cuh). linear is the case of images of one pixel.
//
// A 3x3 layer of ResNet-18 at 96x96 has the same 21.2 M products an image in all four stages. At batch 256 that is
// 5.4 G, 70 us at the 156 TFLOP/s of an A100 in TF32. What must move at least (x, w and y once) is 76 MB in the first
// stage (64 channels, 24x24) and 19 MB in the last (512 channels, 3x3): 49 and 12 us at 1.55 TB/s, so tensor cores are
// the bound. Each block reads its rows of A and columns of B through L2: 32 flop a byte with tiles of 128 x 128, 21
// with 128 x 64, 16 with 64 x 64; small tiles are for small problems, of which large ones would be too few to fill a
// device.
//
//   tile        threads  registers (most)  shared memory   blocks a multiprocessor: A100, H100, those with 100 kB
//   128 x 128   256      128               64 kB           2, 2, 1
//   128 x 64    128      168               48 kB           3, 3, 2
//   64 x 64     128      120               32 kB           4, 4, 3
//
// fprop ends with an epilogue (lib/epilogue.cuh), and, where a batch norm wants them, the statistics of each warp's
// rows: for a warp of 64 rows some 400 instructions, 48 of them shuffles, where the products of a 3x3 layer of 64
// channels took 1,152 mma and what feeds them.
//
// Where even small tiles are too few, the depth is split: blocks with the same tile and another blockIdx.y sum the
// parts of it, each into a tensor of its own, which conv2d_add_parts adds in their order. wgrad, whose depth is all
// pixels, nearly always works so.
#include "kernels/lib/convolution.cuh"

template <class Tile, class Precision>
__device__ __forceinline__ void fprop(const float* x, const float* w, const Conv2dEpilogue& epilogue, float* y,
                                      const Conv2dShape& shape, int stepsPerPart) {
  const int pixels = shape.images * shape.outputH * shape.outputW, pitch = shape.outputChannels;
  const int filterSize = shape.kernelH * shape.kernelW * shape.channels;
  const int across = ceilDivide(pitch, Tile::columns);
  const int firstRow = blockIdx.x / across * Tile::rows, firstColumn = blockIdx.x % across * Tile::columns;
  const Steps steps(filterSize, blockIdx.y, stepsPerPart);
  const Axis down{shape.outputH, shape.kernelH, shape.strideH, -shape.padH};
  const Axis right{shape.outputW, shape.kernelW, shape.strideW, -shape.padW};
  float* const part = y + int64_t(blockIdx.y) * pixels * pitch;
  multiplyTile<Tile, Precision>(PixelRows<Tile, 1>(x, shape.images, shape.height, shape.width, shape.channels, down,
                                                   right, firstRow, steps.first),
                                FilterRows<Tile>(w, shape.filters, filterSize, firstColumn, steps.first), steps.count,
                                PixelsOut(part, pixels, pitch, shape.filters, firstRow, firstColumn, epilogue));
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
                                RowsOut{part, int64_t(firstRow) * filterSize + firstColumn, shape.filters - firstRow,
                                        filterSize - firstColumn, filterSize});
}

using Tile128x128 = GemmTile<128, 128, 64, 32>;
using Tile128x64 = GemmTile<128, 64, 64, 32>;
using Tile64x64 = GemmTile<64, 64, 32, 32>;

#define CONV2D_KERNELS(precision, Precision, tile, blocks)                                                     \
  SPINEGRAD_KERNEL(                                                                                            \
      conv2d_fprop_##precision##_##tile, SPINEGRAD_BOUNDS(Tile##tile::threads, blocks),                        \
      (const float* x, const float* w, Conv2dEpilogue epilogue, float* y, Conv2dShape shape, int32_t steps)) { \
    fprop<Tile##tile, Precision>(x, w, epilogue, y, shape, steps);                                             \
  }                                                                                                            \
  SPINEGRAD_KERNEL(conv2d_dgrad_##precision##_##tile, SPINEGRAD_BOUNDS(Tile##tile::threads, blocks),           \
                   (const float* dy, const float* w, float* dx, Conv2dShape shape, int32_t steps)) {           \
    dgrad<Tile##tile, Precision>(dy, w, dx, shape, steps);                                                     \
  }                                                                                                            \
  SPINEGRAD_KERNEL(conv2d_wgrad_##precision##_##tile, SPINEGRAD_BOUNDS(Tile##tile::threads, blocks),           \
                   (const float* x, const float* dy, float* dw, Conv2dShape shape, int32_t steps)) {           \
    wgrad<Tile##tile, Precision>(x, dy, dw, shape, steps);                                                     \
  }

CONV2D_KERNELS(tf32, Tf32, 128x128, 2)
CONV2D_KERNELS(tf32, Tf32, 128x64, 3)
CONV2D_KERNELS(tf32, Tf32, 64x64, 4)
CONV2D_KERNELS(bf16, Bf16, 128x128, 2)
CONV2D_KERNELS(bf16, Bf16, 128x64, 3)
CONV2D_KERNELS(bf16, Bf16, 64x64, 4)

/// y [count] = the parts of a split product, added in their order, with the bias of each column and all else that an
/// epilogue asks for but statistics.
SPINEGRAD_KERNEL(conv2d_add_parts, 256,
                 (const float* parts, Conv2dEpilogue epilogue, float* y, int64_t count, int32_t partCount,
                  int32_t pitch, int32_t filters)) {
  for (int64_t i = globalThread(); i < count; i += allThreads()) {
    float total = parts[i];
    for (int part = 1; part < partCount; ++part) total += parts[part * count + i];
    if (epilogue.bias != nullptr && i % pitch < filters) total += epilogue.bias[i % pitch];
    y[i] = finished(total, epilogue, i);
  }
}
