// Types that the kernels of maxPool2d and their launcher share.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// x [images, height, width, paddedChannels] to y [images, pooledHeight, pooledWidth, paddedChannels]. The first
/// `channels` channels are valid.
struct MaxPool2dShape {
  int64_t images;
  int32_t channels, paddedChannels, height, width, pooledHeight, pooledWidth;
  int32_t kernelH, kernelW, strideH, strideW, padH, padW;
};

}  // namespace spinegrad
