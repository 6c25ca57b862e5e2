// conv2d on tensor cores: each pass is one GEMM (lib/gemm.cuh) that reads images and filters in place
// (lib/convolution.cuh). linear is the convolution of images of one pixel.
//
// The 3x3 layers of ResNet-18 at 96x96 have 21.2 M products per image in all four stages: at batch 256, 5.4 G products,
// or 70 us at the 156 TFLOP/s of an A100 in TF32. x, w and y take 76 MB in the first stage and 19 MB in the last, 49
// and 12 us at 1.55 TB/s, so memory is not the bound.
#include "kernels/lib/convolution.cuh"

template <class Shape, class Precision>
__device__ __forceinline__ void fprop(const float* x, const float* w, const Conv2dEpilogue& epilogue, float* y,
                                      const Conv2dShape& shape, int stepsPerSplit) {
  const int pixels = shape.images * shape.outputH * shape.outputW, pitch = shape.outputChannels;
  const int filterSize = shape.kernelH * shape.kernelW * shape.channels;
  const int tilesN = ceilDivide(pitch, Shape::N);
  const int firstRow = blockIdx.x / tilesN * Shape::M, firstColumn = blockIdx.x % tilesN * Shape::N;
  const KRange range(filterSize, blockIdx.y, stepsPerSplit);
  const Axis vertical{shape.outputH, shape.kernelH, shape.strideH, -shape.padH};
  const Axis horizontal{shape.outputW, shape.kernelW, shape.strideW, -shape.padW};
  float* const result = y + int64_t(blockIdx.y) * pixels * pitch;
  gemm<Shape, Precision>(PixelTileIterator<Shape, 1>(x, shape.images, shape.height, shape.width, shape.channels,
                                                     vertical, horizontal, firstRow, range.first),
                         FpropFilterTileIterator<Shape>(w, shape.filters, filterSize, firstColumn, range.first),
                         range.count,
                         FpropOutput(result, pixels, pitch, shape.filters, firstRow, firstColumn, epilogue));
}

/// blockIdx.z is the phase.
template <class Shape, class Precision>
__device__ __forceinline__ void dgrad(const float* dy, const float* w, float* dx, const Conv2dShape& shape,
                                      int stepsPerSplit) {
  const Phase vertical(blockIdx.z / shape.strideW, shape.strideH, shape.padH, shape.kernelH, shape.height);
  const Phase horizontal(blockIdx.z % shape.strideW, shape.strideW, shape.padW, shape.kernelW, shape.width);
  const int tilesN = ceilDivide(shape.channels, Shape::N);
  const int firstRow = blockIdx.x / tilesN * Shape::M, firstColumn = blockIdx.x % tilesN * Shape::N;
  if (firstRow >= shape.images * vertical.size * horizontal.size) return;
  const KRange range(vertical.taps * horizontal.taps * shape.outputChannels, blockIdx.y, stepsPerSplit);
  gemm<Shape, Precision>(
      PixelTileIterator<Shape, -1>(dy, shape.images, shape.outputH, shape.outputW, shape.outputChannels, vertical,
                                   horizontal, firstRow, range.first),
      DgradFilterTileIterator<Shape>(w, shape, vertical, horizontal, firstColumn, range.first), range.count,
      DgradOutput{dx, shape, vertical, horizontal, int(blockIdx.y), firstRow, firstColumn,
                  shape.channels - firstColumn});
}

template <class Shape, class Precision>
__device__ __forceinline__ void wgrad(const float* x, const float* dy, float* dw, const Conv2dShape& shape,
                                      int stepsPerSplit) {
  const int pixels = shape.images * shape.outputH * shape.outputW;
  const int filterSize = shape.kernelH * shape.kernelW * shape.channels;
  const int tilesN = ceilDivide(filterSize, Shape::N);
  const int firstRow = blockIdx.x / tilesN * Shape::M, firstColumn = blockIdx.x % tilesN * Shape::N;
  const KRange range(pixels, blockIdx.y, stepsPerSplit);
  float* const result = dw + int64_t(blockIdx.y) * shape.filters * filterSize;
  gemm<Shape, Precision>(WgradGradientTileIterator<Shape>(dy, pixels, shape.outputChannels, firstRow, range.first),
                         WgradPixelTileIterator<Shape>(x, shape, firstColumn, range.first), range.count,
                         RowOutput{result, int64_t(firstRow) * filterSize + firstColumn, shape.filters - firstRow,
                                   filterSize - firstColumn, filterSize});
}

// Small tiles are for problems that have too few large ones to fill the device.
//
//   tile        threads   max registers   shared memory   FLOP per byte read through L2   blocks per multiprocessor:
//                                                                                          A100, H100, 100 kB devices
//   128 x 128   256       128             64 kB           32                              2, 2, 1
//   128 x 64    128       168             48 kB           21                              3, 3, 2
//   64 x 64     128       120             32 kB           16                              4, 4, 3
using Shape128x128 = GemmShape<128, 128, 64, 32>;
using Shape128x64 = GemmShape<128, 64, 64, 32>;
using Shape64x64 = GemmShape<64, 64, 32, 32>;

#define CONV2D_KERNELS(precision, Precision, tile, blocks)                                                     \
  SPINEGRAD_KERNEL(                                                                                            \
      conv2d_fprop_##precision##_##tile, SPINEGRAD_BOUNDS(Shape##tile::threads, blocks),                       \
      (const float* x, const float* w, Conv2dEpilogue epilogue, float* y, Conv2dShape shape, int32_t steps)) { \
    fprop<Shape##tile, Precision>(x, w, epilogue, y, shape, steps);                                            \
  }                                                                                                            \
  SPINEGRAD_KERNEL(conv2d_dgrad_##precision##_##tile, SPINEGRAD_BOUNDS(Shape##tile::threads, blocks),          \
                   (const float* dy, const float* w, float* dx, Conv2dShape shape, int32_t steps)) {           \
    dgrad<Shape##tile, Precision>(dy, w, dx, shape, steps);                                                    \
  }                                                                                                            \
  SPINEGRAD_KERNEL(conv2d_wgrad_##precision##_##tile, SPINEGRAD_BOUNDS(Shape##tile::threads, blocks),          \
                   (const float* x, const float* dy, float* dw, Conv2dShape shape, int32_t steps)) {           \
    wgrad<Shape##tile, Precision>(x, dy, dw, shape, steps);                                                    \
  }

CONV2D_KERNELS(tf32, Tf32, 128x128, 2)
CONV2D_KERNELS(tf32, Tf32, 128x64, 3)
CONV2D_KERNELS(tf32, Tf32, 64x64, 4)
CONV2D_KERNELS(bf16, Bf16, 128x128, 2)
CONV2D_KERNELS(bf16, Bf16, 128x64, 3)
CONV2D_KERNELS(bf16, Bf16, 64x64, 4)

/// The second kernel of split-K. If even small tiles are too few, blockIdx.y of a pass selects a split of K, and each
/// split writes its own partial result; wgrad, where K is all pixels, is nearly always split. y [count] is the sum of
/// the splits in order, with the epilogue but without statistics. `bias` repeats every `pitch` values.
SPINEGRAD_KERNEL(conv2d_add_parts, 256,
                 (const float* splits, Conv2dEpilogue epilogue, float* y, int64_t count, int32_t splitK, int32_t pitch,
                  int32_t filters)) {
  for (int64_t i = globalThread(); i < count; i += gridThreads()) {
    float sum = splits[i];
    for (int split = 1; split < splitK; ++split) sum += splits[split * count + i];
    if (epilogue.bias != nullptr && i % pitch < filters) sum += epilogue.bias[i % pitch];
    y[i] = applyEpilogue(sum, epilogue, i);
  }
}
