// augment: views of 16-bit images. Each view is sampled by an affine map, blurred, changed in tone, gamma, contrast
// and brightness, given Rician noise, blanked in a rectangle, and normalized. native/cpu/ops/augment.cpp explains the
// steps.
//
// A block computes one view, so its means need no other block; barriers separate the steps, and the whole block skips a
// step that the view does not use. The view is in y and a blurred copy in `blurred`, 37 KB each at 96 x 96, which stay
// in the caches.
//
// The host draws the random choices of a view, so that all devices make the same views bit for bit. The noise is drawn
// here from the same Philox blocks as on the CPU: pixel i of a group of 512 takes word i / 256 of block i % 256 for its
// radius and word 2 + i / 256 for its angle, so a thread computes a block and its two pixels i and i + 256.
#include "kernels/augment.h"
#include "kernels/lib/reduce.cuh"
#include "native/engine/philox.h"

namespace {

constexpr float whiteLevel = 65535.0f;

/// Calls visit(pixel, row, column) for this thread's pixels of the view.
template <class Visit>
__device__ __forceinline__ void eachPixel(const AugmentParameters& p, Visit visit) {
  for (int32_t pixel = threadIdx.x; pixel < p.height * p.width; pixel += blockDim.x) {
    const int32_t row = pixel / p.width;
    visit(pixel, row, pixel - row * p.width);
  }
}

/// Bilinear interpolation. Beyond the border the nearest pixel is repeated.
__device__ __forceinline__ float sample(const uint16_t* image, const AugmentParameters& p, float x, float y) {
  const float sx = fminf(fmaxf(x, 0.0f), static_cast<float>(p.bankWidth - 1));
  const float sy = fminf(fmaxf(y, 0.0f), static_cast<float>(p.bankHeight - 1));
  const auto column = static_cast<int32_t>(sx), line = static_cast<int32_t>(sy);
  const float fx = sx - static_cast<float>(column), fy = sy - static_cast<float>(line);
  const int32_t right = min(column + 1, p.bankWidth - 1), below = min(line + 1, p.bankHeight - 1);
  const auto at = [&](int32_t v, int32_t u) { return static_cast<float>(image[v * p.bankWidth + u]) / whiteLevel; };
  const float upper = at(line, column) + fx * (at(line, right) - at(line, column));
  const float lower = at(below, column) + fx * (at(below, right) - at(below, column));
  return upper + fy * (lower - upper);
}

/// The normalized weights of a Gaussian over pixels -radius ... radius.
__device__ __forceinline__ void gaussian(float deviation, int32_t radius, float* taps) {
  const int32_t k = static_cast<int32_t>(threadIdx.x) - radius;
  const float ratio = static_cast<float>(k) / deviation;
  const float weight = k <= radius ? expf(-0.5f * ratio * ratio) : 0.0f;
  const float sum = blockSum(weight);
  if (k <= radius) taps[threadIdx.x] = weight / sum;
  __syncthreads();
}

/// A separable Gaussian blur, rows first. Border pixels are repeated.
__device__ __forceinline__ void blur(float deviation, int32_t radius, const AugmentParameters& p, float* y,
                                     float* blurred) {
  SPINEGRAD_SHARED(float[augmentMaxTaps], taps);
  gaussian(deviation, radius, taps);
  eachPixel(p, [&](int32_t pixel, int32_t row, int32_t column) {
    float sum = 0;
    for (int32_t k = -radius; k <= radius; ++k) {
      sum += taps[k + radius] * y[row * p.width + min(max(column + k, 0), p.width - 1)];
    }
    blurred[pixel] = sum;
  });
  __syncthreads();
  eachPixel(p, [&](int32_t pixel, int32_t row, int32_t column) {
    float sum = 0;
    for (int32_t k = -radius; k <= radius; ++k) {
      sum += taps[k + radius] * blurred[min(max(row + k, 0), p.height - 1) * p.width + column];
    }
    y[pixel] = sum;
  });
  __syncthreads();
}

__device__ __forceinline__ float meanOf(const AugmentParameters& p, const float* y) {
  double sum = 0;
  const int32_t pixels = p.height * p.width;
  for (int32_t pixel = threadIdx.x; pixel < pixels; pixel += blockDim.x) sum += y[pixel];
  return static_cast<float>(blockSum(sum)) / static_cast<float>(pixels);
}

/// cos(2 pi u) for u in [0, 1] by a minimax polynomial of the sine, with an error below 1e-7.
__device__ __forceinline__ float cosineOfTurns(float u) {
  const float s = 4.0f * fabsf(u - 0.5f) - 1.0f, square = s * s;
  float p = 1.51678530e-4f;
  p = p * square - 4.67415749e-3f;
  p = p * square + 7.96899269e-2f;
  p = p * square - 6.45963761e-1f;
  p = p * square + 1.57079632f;
  return p * s;
}

__device__ __forceinline__ float rician(float x, uint32_t first, uint32_t second, float deviation) {
  const float u = Philox::uniform(first) + 1.0f / 16777216.0f;  // in (0, 1]: the logarithm is finite
  const float radius = deviation * sqrtf(-2.0f * logf(u));
  const float cosine = cosineOfTurns(Philox::uniform(second));
  const float real = x + radius * cosine;
  return sqrtf(real * real + radius * radius * fmaxf(1.0f - cosine * cosine, 0.0f));
}

__device__ __forceinline__ void addNoise(float deviation, uint32_t row, const AugmentParameters& p, float* y) {
  constexpr int32_t groupBlocks = 256;
  const Philox philox{{p.seed, static_cast<uint32_t>(Purpose::augmentNoise)}};
  const int32_t pixels = p.height * p.width;
  for (int32_t block = threadIdx.x; block < ceilDivide(pixels, 2 * groupBlocks) * groupBlocks; block += blockDim.x) {
    const Philox::Block words = philox(static_cast<uint32_t>(block), row, p.step, 0);
    const int32_t pixel = block / groupBlocks * 2 * groupBlocks + block % groupBlocks;
    if (pixel < pixels) y[pixel] = rician(y[pixel], words.word[0], words.word[2], deviation);
    if (pixel + groupBlocks < pixels) {
      y[pixel + groupBlocks] = rician(y[pixel + groupBlocks], words.word[1], words.word[3], deviation);
    }
  }
  __syncthreads();
}

}  // namespace

/// An index outside the bank has been reported already; it reads an arbitrary image of the bank. grid: views.
SPINEGRAD_KERNEL(augment_forward, SPINEGRAD_BOUNDS(512, 2),
                 (const uint16_t* __restrict__ bank, const int32_t* __restrict__ indices,
                  const AugmentView* __restrict__ views, AugmentParameters p, float* blurred, float* result)) {
  const int64_t row = blockIdx.x, first = row * p.height * p.width;
  const uint16_t* image = bank + int64_t(min(max(indices[row], 0), p.images - 1)) * p.bankHeight * p.bankWidth;
  const AugmentView& view = views[row];
  float* y = result + first;

  eachPixel(p, [&](int32_t pixel, int32_t line, int32_t column) {
    const auto x0 = static_cast<float>(view.x0 + view.xy * line), y0 = static_cast<float>(view.y0 + view.yy * line);
    y[pixel] = sample(image, p, x0 + static_cast<float>(view.xx) * static_cast<float>(column),
                      y0 + static_cast<float>(view.yx) * static_cast<float>(column));
  });
  __syncthreads();

  if (view.blur > 0) blur(view.blur, view.blurRadius, p, y, blurred + first);

  if (view.hasTone) {
    eachPixel(p, [&](int32_t pixel, int32_t, int32_t) {
      const float x = y[pixel];
      float value = view.tone[4];
      for (int32_t k = 3; k >= 0; --k) value = value * x + view.tone[k];
      y[pixel] = fmaxf(value, 0.0f);  // rounding can go below 0
    });
    __syncthreads();
  }

  if (view.gamma != 1) {
    eachPixel(p, [&](int32_t pixel, int32_t, int32_t) { y[pixel] = expf(view.gamma * logf(y[pixel])); });
    __syncthreads();
  }

  if (view.contrast != 1 || view.brightness != 0) {
    const float offset = meanOf(p, y) * (1 - view.contrast) + view.brightness;
    eachPixel(p, [&](int32_t pixel, int32_t, int32_t) {
      y[pixel] = fmaxf(y[pixel] * view.contrast + offset, 0.0f);  // a magnitude is not negative
    });
    __syncthreads();
  }

  if (view.noise > 0) addNoise(view.noise, static_cast<uint32_t>(row), p, y);

  if (view.hasCutout) {
    const float fill = p.cutoutMean ? meanOf(p, y) : 0.0f;
    for (int32_t i = threadIdx.x; i < view.cutoutHeight * view.cutoutWidth; i += blockDim.x) {
      const int32_t line = i / view.cutoutWidth;
      y[(view.cutoutY + line) * p.width + view.cutoutX + i - line * view.cutoutWidth] = fill;
    }
    __syncthreads();
  }

  eachPixel(p, [&](int32_t pixel, int32_t, int32_t) { y[pixel] = (y[pixel] - p.mean) / p.deviation; });
}
