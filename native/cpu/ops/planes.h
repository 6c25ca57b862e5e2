// The sizes of a channel-blocked image tensor: [images][blocks][pixels][lanes]. A plane is one block of one image.
#pragma once

#include "native/cpu/runtime/memory.h"

namespace spinegrad::cpu {

struct Planes {
  int64_t images, channels, height, width, lanes, blocks;

  explicit Planes(const Shape& shape)
      : images(shape[0]),
        channels(shape[1]),
        height(shape[2]),
        width(shape[3]),
        lanes(vectorLanes()),
        blocks((channels + lanes - 1) / lanes) {}

  int64_t pixels() const { return height * width; }
  /// Floats in a plane.
  int64_t size() const { return pixels() * lanes; }
  int64_t offset(int64_t image, int64_t block) const { return (image * blocks + block) * size(); }
};

}  // namespace spinegrad::cpu
