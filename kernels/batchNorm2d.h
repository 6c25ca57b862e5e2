// What the kernels of batchNorm2d and their launcher agree on.
#pragma once

#include "kernels/channelStatistics.h"

namespace spinegrad {

/// An image tensor with its channels last: `pixels` of all images, each of `padded` floats, the first `channels` of
/// which count. A block takes 32 * `rounds` pixels of 32 channels.
struct BatchNorm2dSize {
  int64_t pixels;
  int32_t channels, padded, rounds;
};

/// Sums over all pixels come in double, one pair a chunk (a row of blocks) and channel: sums[chunk][2][padded].
struct BatchNorm2dSums {
  double* sums;
  int32_t chunks;
};

struct BatchNorm2dRunning {
  float *mean, *variance;
  double momentum;
};

/// One value a channel each.
struct BatchNorm2dChannels {
  const float *weight, *bias, *mean, *inverseDeviation;
};

}  // namespace spinegrad
