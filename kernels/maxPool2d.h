// What the kernels of maxPool2d and their launcher agree on.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// x [images, height, width, padded] to y [images, pooledHeight, pooledWidth, padded]; the first `channels` count.
struct MaxPool2dShape {
  int64_t images;
  int32_t channels, padded, height, width, pooledHeight, pooledWidth;
  int32_t kernelH, kernelW, strideH, strideW, padH, padW;
};

}  // namespace spinegrad
