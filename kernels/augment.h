// What the kernel of augment and its launcher agree on.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// One view, drawn on the host by native/engine/augment.h; the fields are those of View there.
struct AugmentView {
  double xx, xy, x0, yx, yy, y0;
  float blur, gamma, contrast, brightness, noise;
  /// Pixels that the blur reaches each way.
  int32_t blurRadius;
  int32_t hasCutout, cutoutX, cutoutY, cutoutWidth, cutoutHeight;
};

struct AugmentParameters {
  /// Images of the bank.
  int32_t images, bankHeight, bankWidth;
  /// Of a view.
  int32_t height, width;
  uint32_t seed, step;
  /// Whether a cutout is filled with the view's mean, or with 0.
  int32_t cutoutMean;
  float mean, deviation;
};

/// The widest blur that ts/engine/ops/augment.ts allows is 16 pixels, and three of them each way count.
constexpr int32_t augmentMostTaps = 2 * 3 * 16 + 1;

}  // namespace spinegrad
