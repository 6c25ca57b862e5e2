// Types and constants that the kernels of conv2d and their launchers share.
#pragma once

#include "kernels/channelStatistics.h"

namespace spinegrad {

/// Images x [images][height][width][channels], filters w [filters][kernelH][kernelW][channels] and the result
/// y [images][outputH][outputW][outputChannels]. Channel counts include padding, which holds zeros in all three; y has
/// `filters` channels without it.
struct Conv2dShape {
  int32_t images, height, width, channels;
  int32_t filters, kernelH, kernelW;
  int32_t outputH, outputW, outputChannels;
  int32_t strideH, strideW, padH, padW;
};

/// The epilogue of fprop: y = relu(sum + bias + residual). `bias` has one value per filter, `residual` has the layout
/// of y; both may be null. The statistics are those of sum + bias.
struct Conv2dEpilogue {
  const float *bias = nullptr, *residual = nullptr;
  int32_t relu = 0;
  ChannelStatistics statistics = {};
};

/// The tile of the stem's kernels (conv2dStem.cu): output rows, output columns, filters. Shared memory holds the window
/// of x that these outputs read, and the filters or the tile of dy.
constexpr int32_t stemRows = 8, stemColumns = 16, stemFilters = 64;
/// Groups of the statistics per tile: each warp's two rows are one.
constexpr int32_t stemGroups = stemRows / 2;
constexpr int32_t stemFilterPitch = stemFilters + 4;

/// The size of the window of x that a tile of outputs reads.
struct StemWindow {
  int32_t rows, columns;
};

/// Taps (c, r, s) per block of the stem's wgrad.
constexpr int32_t stemTaps = 64;

/// Rows of dy per block of the bias gradient. Independent of the device, and so is the order of the sum.
constexpr int64_t conv2dBiasChunk = 1024;

}  // namespace spinegrad
