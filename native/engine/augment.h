// The random choices of one augmented view: a pure function of (seed, step, row) and of the strengths. Each choice uses
// its own word (block b, word w of the stream augmentView), so enabling one does not change the others. Strength 0 is
// exactly neutral. ts/engine/ops/augment.ts computes the same geometry.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "native/engine/contracts.h"
#include "native/engine/philox.h"

namespace spinegrad {

struct ImageSize {
  int64_t height, width;
};

/// A polynomial of degree 4; coefficient k belongs to x^k.
using ToneCurve = std::array<double, 5>;

struct View {
  /// Pixel (column u, row v) of the view samples the image at x = xx u + xy v + x0, y = yx u + yy v + y0.
  double xx, xy, x0, yx, yy, y0;
  double blur, gamma, contrast, brightness, noise;
  /// Whether tone is not the identity.
  bool hasTone;
  ToneCurve tone;
  bool hasCutout;
  int64_t cutoutX, cutoutY, cutoutWidth, cutoutHeight;
};

/// The Bezier polynomial with the control points c.
inline ToneCurve bezier(const ToneCurve& c) {
  return {c[0], 4 * (c[1] - c[0]), 6 * (c[2] - 2 * c[1] + c[0]), 4 * (c[3] - 3 * c[2] + 3 * c[1] - c[0]),
          c[4] - 4 * c[3] + 6 * c[2] - 4 * c[1] + c[0]};
}

inline View drawView(const AugmentForward& strength, uint32_t row, ImageSize bank, ImageSize size) {
  const Philox philox{{strength.seed, static_cast<uint32_t>(Purpose::augmentView)}};
  double number[24];
  for (uint32_t block = 0; block < 6; ++block) {
    const Philox::Block words = philox(block, row, strength.step, 0);
    for (uint32_t word = 0; word < 4; ++word) number[4 * block + word] = Philox::uniform(words.word[word]);
  }
  const auto symmetric = [&](size_t index, double most) { return (2 * number[index] - 1) * most; };
  const auto factor = [&](size_t index, double most) { return std::exp(symmetric(index, std::log1p(most))); };
  const auto below = [&](size_t index, int64_t count) { return static_cast<int64_t>(number[index] * count); };
  const auto part = [&](size_t index, int64_t side) {
    return std::max<int64_t>(1, std::llround(strength.cutoutSize * side * (0.5 + 0.5 * number[index])));
  };

  const double angle = symmetric(0, strength.rotation) * 3.14159265358979323846 / 180;
  const double pitch = strength.pitch / factor(1, strength.scale), shear = symmetric(4, strength.shear);
  const double mirror = number[5] < strength.flip ? -1 : 1;
  const double upend = number[16] < strength.upend ? -1 : 1;
  const double cosine = std::cos(angle), sine = std::sin(angle);
  View view;
  view.xx = pitch * cosine * mirror;
  view.xy = pitch * (cosine * shear - sine) * upend;
  view.yx = pitch * sine * mirror;
  view.yy = pitch * (sine * shear + cosine) * upend;
  const double u = (size.width - 1) / 2.0, v = (size.height - 1) / 2.0;
  view.x0 = (bank.width - 1) / 2.0 + symmetric(2, strength.translation) - (view.xx * u + view.xy * v);
  view.y0 = (bank.height - 1) / 2.0 + symmetric(3, strength.translation) - (view.yx * u + view.yy * v);
  view.brightness = symmetric(6, strength.brightness);
  view.contrast = factor(7, strength.contrast);
  view.gamma = factor(8, strength.gamma);
  view.blur = number[9] * strength.blur;
  view.noise = number[10] * strength.noise;
  const bool inverted = number[17] < strength.invert;
  view.hasTone = inverted || strength.tone > 0;
  ToneCurve control;
  for (size_t k = 0; k < control.size(); ++k) {
    control[k] = std::clamp(0.25 * static_cast<double>(k) + symmetric(18 + k, strength.tone), 0.0, 1.0);
    if (inverted) control[k] = 1 - control[k];
  }
  view.tone = bezier(control);
  view.hasCutout = number[11] < strength.cutout;
  view.cutoutWidth = part(12, size.width);
  view.cutoutHeight = part(13, size.height);
  view.cutoutX = below(14, size.width - view.cutoutWidth + 1);
  view.cutoutY = below(15, size.height - view.cutoutHeight + 1);
  return view;
}

}  // namespace spinegrad
