// Types that the kernels of batchNorm2d and their launcher share.
#pragma once

#include "kernels/channelStatistics.h"

namespace spinegrad {

/// A channels-last image tensor: `pixels` over all images, each of `paddedChannels` floats, of which the first
/// `channels` are valid. A block processes 32 * pixelsPerThread pixels of 32 channels.
struct BatchNorm2dSize {
  int64_t pixels;
  int32_t channels, paddedChannels, pixelsPerThread;
};

/// Two sums per chunk of pixels and channel: sums[chunk][2][paddedChannels]. A chunk is the pixels of one block.
struct BatchNorm2dSums {
  double* sums;
  int32_t chunks;
};

struct BatchNorm2dRunning {
  float *mean, *variance;
  double momentum;
};

/// One value per channel each.
struct BatchNorm2dChannels {
  const float *weight, *bias, *mean, *inverseDeviation;
};

}  // namespace spinegrad
