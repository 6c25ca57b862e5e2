// augment: random views of 16-bit images for training. A view is sampled from its image by an affine map and blurred;
// its tone curve, gamma, contrast and brightness are changed; Rician noise is added, a rectangle is blanked, and the
// view is normalized. One thread makes a whole view, which stays in its cache, so the result is independent of the
// number of threads.
//
// Rician noise is the modulus of a complex signal with Gaussian noise in both parts (Gudbjartsson and Patz 1995):
// x' = |x + s (n1 + i n2)|. With Box and Muller's n1 = r cos t and n2 = r sin t it is
// sqrt((x + s r cos t)^2 + (s r)^2 (1 - cos^2 t)), which takes one logarithm and one cosine per pixel. Pixels are
// numbered in groups of 512, each with one group of words (random.h): pixel i uses word i for r and word 512 + i for t.

#include "native/engine/augment.h"

#include <omp.h>

#include <string>
#include <vector>

#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/math.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/random.h"
#include "native/cpu/runtime/reduce.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

constexpr float whiteLevel = 65535.0f;

SPINEGRAD_SIMD void convertRow(const uint16_t* x, float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = static_cast<float>(x[i]) / whiteLevel;
}

struct SampledRow {
  float x0, y0, xx, yx, lastX, lastY;
};

/// Bilinear sampling; outside the image the nearest pixel is repeated. `image` has an extra last column and row.
SPINEGRAD_SIMD void sampleRow(const float* image, int32_t stride, const SampledRow& row, float* y, int32_t count) {
  const auto [x0, y0, xx, yx, lastX, lastY] = row;
#pragma omp simd
  for (int32_t i = 0; i < count; ++i) {
    const float u = static_cast<float>(i);
    const float sx = std::min(std::max(x0 + xx * u, 0.0f), lastX), sy = std::min(std::max(y0 + yx * u, 0.0f), lastY);
    const auto column = static_cast<int32_t>(sx), line = static_cast<int32_t>(sy);
    const float fx = sx - static_cast<float>(column), fy = sy - static_cast<float>(line);
    const int32_t at = line * stride + column;
    const float above = image[at] + fx * (image[at + 1] - image[at]);
    const float below = image[at + stride] + fx * (image[at + stride + 1] - image[at + stride]);
    y[i] = above + fy * (below - above);
  }
}

/// y[i] = sum over k of taps[k] * x[i + k * stride].
SPINEGRAD_SIMD void convolveRow(const float* x, size_t stride, const float* taps, size_t tapCount, float* y,
                                size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = 0;
  for (size_t k = 0; k < tapCount; ++k) {
    const float tap = taps[k];
#pragma omp simd
    for (size_t i = 0; i < count; ++i) y[i] += tap * x[i + k * stride];
  }
}

/// A polynomial of degree 4, by Horner's rule. Clamped at 0, because pixels are magnitudes and rounding can go below.
SPINEGRAD_SIMD void toneRow(float* x, const float* coefficient, size_t count) {
  const float a = coefficient[0], b = coefficient[1], c = coefficient[2], d = coefficient[3], e = coefficient[4];
#pragma omp simd
  for (size_t i = 0; i < count; ++i) x[i] = std::max((((e * x[i] + d) * x[i] + c) * x[i] + b) * x[i] + a, 0.0f);
}

SPINEGRAD_SIMD void powerRow(float* x, float exponent, size_t count) {
#pragma omp simd
  for (size_t i = 0; i < count; ++i) x[i] = exponential(exponent * logarithm(x[i]));
}

/// Clamped at 0, because pixels are magnitudes.
SPINEGRAD_SIMD void contrastRow(float* x, float factor, float offset, size_t count) {
  for (size_t i = 0; i < count; ++i) x[i] = std::max(x[i] * factor + offset, 0.0f);
}

/// cos(2 pi u) for u in [0, 1], by a minimax polynomial of the sine with an error below 1e-7.
SPINEGRAD_INLINE float cosine2Pi(float u) {
  const float s = 4.0f * std::abs(u - 0.5f) - 1.0f, square = s * s;
  float p = 1.51678530e-4f;
  p = p * square - 4.67415749e-3f;
  p = p * square + 7.96899269e-2f;
  p = p * square - 6.45963761e-1f;
  p = p * square + 1.57079632f;
  return p * s;
}

SPINEGRAD_SIMD void ricianRow(float* x, const uint32_t* words, float deviation, size_t count) {
  constexpr size_t half = 2 * blocksInGroup;
#pragma omp simd
  for (size_t i = 0; i < count; ++i) {
    // u is in (0, 1], so the logarithm is finite.
    const float u = Philox::uniform(words[i]) + 1.0f / 16777216.0f;
    const float radius = deviation * std::sqrt(-2.0f * logarithm(u));
    const float cosine = cosine2Pi(Philox::uniform(words[half + i]));
    const float real = x[i] + radius * cosine;
    x[i] = std::sqrt(real * real + radius * radius * std::max(1.0f - cosine * cosine, 0.0f));
  }
}

SPINEGRAD_SIMD void normalizeRow(float* x, float mean, float deviation, size_t count) {
  for (size_t i = 0; i < count; ++i) x[i] = (x[i] - mean) / deviation;
}

std::vector<float> gaussianTaps(double deviation) {
  const auto radius = static_cast<int>(std::ceil(3 * deviation));
  std::vector<double> weights;
  double sum = 0;
  for (int k = -radius; k <= radius; ++k) sum += weights.emplace_back(std::exp(-0.5 * k * k / (deviation * deviation)));
  std::vector<float> taps;
  for (const double weight : weights) taps.push_back(static_cast<float>(weight / sum));
  return taps;
}

/// Makes views of one size in the memory of one view.
class ViewMaker {
 public:
  ViewMaker(const AugmentForward& attributes, ImageSize bank, ImageSize size, float* workspace)
      : attributes_(attributes), bank_(bank), size_(size), image_(workspace), padded_(image_ + imageFloats(bank)) {}

  static size_t imageFloats(ImageSize bank) { return static_cast<size_t>((bank.height + 1) * (bank.width + 1)); }
  static int64_t maxBlurRadius(const AugmentForward& attributes) {
    return static_cast<int64_t>(std::ceil(3 * attributes.blur));
  }
  static size_t workspaceFloats(const AugmentForward& attributes, ImageSize bank, ImageSize size) {
    const int64_t border = 2 * maxBlurRadius(attributes);
    return imageFloats(bank) + static_cast<size_t>((size.height + border) * size.width + size.width + border);
  }

  void make(const uint16_t* pixels, uint32_t row, float* y) const {
    const View view = drawView(attributes_, row, bank_, size_);
    const auto count = static_cast<size_t>(size_.height * size_.width);
    load(pixels);
    sample(view, y);
    if (view.blur > 0) blur(view.blur, y);
    if (view.hasTone) {
      float tone[5];
      std::copy(view.tone.begin(), view.tone.end(), tone);
      toneRow(y, tone, count);
    }
    if (view.gamma != 1) powerRow(y, static_cast<float>(view.gamma), count);
    if (view.contrast != 1 || view.brightness != 0) {
      const double offset = mean(y) * (1 - view.contrast) + view.brightness;
      contrastRow(y, static_cast<float>(view.contrast), static_cast<float>(offset), count);
    }
    if (view.noise > 0) addNoise(view.noise, row, y);
    if (view.hasCutout) blank(view, y);
    normalizeRow(y, static_cast<float>(attributes_.mean), static_cast<float>(attributes_.deviation), count);
  }

 private:
  void load(const uint16_t* pixels) const {
    const int64_t stride = bank_.width + 1;
    for (int64_t line = 0; line <= bank_.height; ++line) {
      float* row = image_ + line * stride;
      convertRow(pixels + std::min(line, bank_.height - 1) * bank_.width, row, static_cast<size_t>(bank_.width));
      row[bank_.width] = row[bank_.width - 1];
    }
  }

  void sample(const View& view, float* y) const {
    for (int64_t line = 0; line < size_.height; ++line) {
      const SampledRow row{.x0 = static_cast<float>(view.x0 + view.xy * line),
                           .y0 = static_cast<float>(view.y0 + view.yy * line),
                           .xx = static_cast<float>(view.xx),
                           .yx = static_cast<float>(view.yx),
                           .lastX = static_cast<float>(bank_.width - 1),
                           .lastY = static_cast<float>(bank_.height - 1)};
      sampleRow(image_, static_cast<int32_t>(bank_.width + 1), row, y + line * size_.width,
                static_cast<int32_t>(size_.width));
    }
  }

  /// Blurs along the rows into padded_, then along the columns into y. Pixels at the border are repeated.
  void blur(double deviation, float* y) const {
    const std::vector<float> taps = gaussianTaps(deviation);
    const auto radius = static_cast<int64_t>(taps.size() / 2), width = size_.width;
    float* line = padded_ + (size_.height + 2 * radius) * width;
    for (int64_t v = 0; v < size_.height; ++v) {
      const float* row = y + v * width;
      std::fill_n(line, radius, row[0]);
      std::copy_n(row, width, line + radius);
      std::fill_n(line + radius + width, radius, row[width - 1]);
      convolveRow(line, 1, taps.data(), taps.size(), padded_ + (v + radius) * width, static_cast<size_t>(width));
    }
    for (int64_t v = 0; v < radius; ++v) {
      std::copy_n(padded_ + radius * width, width, padded_ + v * width);
      std::copy_n(padded_ + (size_.height + radius - 1) * width, width, padded_ + (size_.height + radius + v) * width);
    }
    for (int64_t v = 0; v < size_.height; ++v) {
      convolveRow(padded_ + v * width, static_cast<size_t>(width), taps.data(), taps.size(), y + v * width,
                  static_cast<size_t>(width));
    }
  }

  double mean(const float* y) const {
    const int64_t count = size_.height * size_.width;
    return sumOf(y, count) / static_cast<double>(count);
  }

  void addNoise(double deviation, uint32_t row, float* y) const {
    const Philox philox{{attributes_.seed, static_cast<uint32_t>(Purpose::augmentNoise)}};
    const auto count = static_cast<size_t>(size_.height * size_.width);
    constexpr size_t pixels = 2 * blocksInGroup;
    WordGroup words;
    for (size_t first = 0; first < count; first += pixels) {
      randomWords(philox, static_cast<uint32_t>(first / pixels), row, attributes_.step, words);
      ricianRow(y + first, words.data(), static_cast<float>(deviation), std::min(pixels, count - first));
    }
  }

  void blank(const View& view, float* y) const {
    const auto value = attributes_.cutoutFill == CutoutFill::mean ? static_cast<float>(mean(y)) : 0.0f;
    for (int64_t v = 0; v < view.cutoutHeight; ++v) {
      std::fill_n(y + (view.cutoutY + v) * size_.width + view.cutoutX, view.cutoutWidth, value);
    }
  }

  const AugmentForward& attributes_;
  const ImageSize bank_, size_;
  float* image_;
  float* padded_;
};

void forward(const AugmentForward& op) {
  const Shape &bankShape = op.bank.shape, &viewShape = op.y.shape;
  const ImageSize bank{bankShape[1], bankShape[2]}, size{viewShape[2], viewShape[3]};
  const int64_t images = bankShape[0], views = viewShape[0];
  const uint16_t* pixels = read<uint16_t>(op.bank);
  const int32_t* indices = read<int32_t>(op.indices);
  for (int64_t n = 0; n < views; ++n) {
    if (indices[n] < 0 || indices[n] >= images) {
      throw Error("ERR_INDEX", "augment(): indices: expected images from 0 to " + std::to_string(images - 1) +
                                   ", found " + std::to_string(indices[n]) + " at position " + std::to_string(n));
    }
  }
  float* y = write<float>(op.y);
  const size_t floats = ViewMaker::workspaceFloats(op, bank, size);
  const Workspace<float> workspace(floats * static_cast<size_t>(omp_get_max_threads()));
#pragma omp parallel
  {
    const ViewMaker maker(op, bank, size, workspace.data() + floats * static_cast<size_t>(omp_get_thread_num()));
#pragma omp for schedule(static)
    for (int64_t n = 0; n < views; ++n) {
      maker.make(pixels + indices[n] * bank.height * bank.width, static_cast<uint32_t>(n),
                 y + n * size.height * size.width);
    }
  }
}

const Register<forward> registerForward("augment.forward");

}  // namespace
}  // namespace spinegrad::cpu
