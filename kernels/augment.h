// Types and constants that the kernel of augment and its launcher share.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// The random choices of one view, drawn on the host; native/engine/augment.h documents the fields (View).
struct AugmentView {
  double xx, xy, x0, yx, yy, y0;
  float blur, gamma, contrast, brightness, noise;
  int32_t hasTone;
  float tone[5];
  /// The radius of the blur in pixels.
  int32_t blurRadius;
  int32_t hasCutout, cutoutX, cutoutY, cutoutWidth, cutoutHeight;
};

struct AugmentParameters {
  /// The bank has `images` images; a view has height x width pixels.
  int32_t images, bankHeight, bankWidth;
  int32_t height, width;
  uint32_t seed, step;
  /// Whether a cutout is filled with the mean of the view instead of 0.
  int32_t cutoutMean;
  float mean, deviation;
};

/// ts/engine/ops/augment.ts allows a blur of at most 16 pixels, and the taps reach three times that to each side.
constexpr int32_t augmentMaxTaps = 2 * 3 * 16 + 1;

}  // namespace spinegrad
