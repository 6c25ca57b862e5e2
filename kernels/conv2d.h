// What the kernels of conv2d and their launchers agree on.
#pragma once

#include "kernels/channelStatistics.h"

namespace spinegrad {

/// Images x [images][height][width][channels], filters w [filters][kernelH][kernelW][channels] and the result
/// y [images][outputH][outputW][outputChannels]. Channels are counted as they lie in memory: those that are padding
/// hold zeros, in all three. There are `filters` filters; outputChannels beyond them are padding.
struct Conv2dShape {
  int32_t images, height, width, channels;
  int32_t filters, kernelH, kernelW;
  int32_t outputH, outputW, outputChannels;
  int32_t strideH, strideW, padH, padW;
};

/// What fprop does with a value on its way from the sums to y: y = relu(sum + bias + residual). `bias` has one value a
/// filter, `residual` lies as y; either may be null. The statistics are those of sum + bias.
struct Conv2dEpilogue {
  const float *bias = nullptr, *residual = nullptr;
  int32_t relu = 0;
  ChannelStatistics statistics = {};
};

/// The stem's kernels (conv2dStem.cu): a block takes this many outputs down and across, and filters, at a time. Their
/// shared memory holds the window of x that these outputs see, and the filters or the tile of dy.
constexpr int32_t stemRows = 8, stemColumns = 16, stemFilters = 64;
/// Groups of the statistics in a tile of outputs: a warp's two rows each.
constexpr int32_t stemGroups = stemRows / 2;
constexpr int32_t stemFilterPitch = stemFilters + 4;

struct StemWindow {
  int32_t rows, columns;  // of x, that stemRows by stemColumns outputs see
};

/// Taps (c, r, s) that one block of the stem's wgrad takes.
constexpr int32_t stemTaps = 64;

/// Rows of dy that one block adds up for the bias gradient, whatever the device.
constexpr int64_t conv2dBiasPiece = 1024;

}  // namespace spinegrad
