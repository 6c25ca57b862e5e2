// A channel-blocked image tensor as own loops see it: [N][groups][H*W][block], a group being one block of channels.
#pragma once

#include "native/cpu/runtime/memory.h"

namespace spinegrad::cpu {

struct Planes {
  int64_t images, channels, height, width, block, groups;

  explicit Planes(const Shape& shape)
      : images(shape[0]),
        channels(shape[1]),
        height(shape[2]),
        width(shape[3]),
        block(vectorLanes()),
        groups((channels + block - 1) / block) {}

  int64_t pixels() const { return height * width; }
  /// Floats in one group of one image.
  int64_t size() const { return pixels() * block; }
  int64_t offset(int64_t image, int64_t group) const { return (image * groups + group) * size(); }
};

}  // namespace spinegrad::cpu
