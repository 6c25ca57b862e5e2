// A vector holds the channels of a block of y, and a pixel of x, the same for all, is broadcast. Images are copied into
// a frame of zeros first, so that no loop need ask where the edge is.
//   fprop   sums of several pixels of two blocks stay in registers while they go through the taps.
//   wgrad   those of a filter's 7 taps of one row, while they go through all pixels of an image. Images are added up in
//           double, in order, so the result does not depend on the threads.

#include "native/cpu/conv/stem.h"

#include <algorithm>
#include <vector>

#include "native/cpu/runtime/lanes.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {
namespace {

constexpr int64_t taps = 7, stride = 2;

/// Planes of x in their frames of zeros, as large as the filters reach for so many rows and columns of y.
class Frames {
 public:
  const int64_t height, width;

  Frames(const Shape& shape, const float* x, int64_t rows, int64_t columns, int64_t filterRows,
         const Conv2dAttributes& attributes)
      : height((rows - 1) * attributes.strideH + filterRows),
        width((columns - 1) * stride + taps),
        framed_(shape[0] * shape[1] * height * width) {
    const int64_t padH = attributes.padH, padW = attributes.padW;
#pragma omp parallel for schedule(static)
    for (int64_t plane = 0; plane < shape[0] * shape[1]; ++plane) {
      std::fill_n((*this)[plane], height * width, 0.0f);
      for (int64_t row = padH; row < std::min(height, padH + shape[2]); ++row) {
        std::copy_n(x + (plane * shape[2] + row - padH) * shape[3], std::min(shape[3], width - padW),
                    (*this)[plane] + row * width + padW);
      }
    }
  }

  float* operator[](int64_t plane) const { return framed_.data() + plane * height * width; }

 private:
  const Workspace<float> framed_;
};

/// Pixels of y whose sums are kept in registers, two vectors each: 12 of 16 with AVX2, 24 of 32 with AVX-512.
constexpr int64_t group(int64_t block) { return block == 16 ? 12 : 6; }

/// What fprop's threads share.
struct Fprop {
  int64_t filterTaps;
  const float* w;          ///< [blocks][filterTaps][block]
  const int32_t* offsets;  ///< of each tap's pixel in the frames
  Epilogue epilogue;
  int64_t blocks, height, width;
};

/// A row of an image of y, two blocks at a time; `frame` is where its taps begin, `y` the row in the first block.
template <int64_t block>
SPINEGRAD_INLINE void convolveLoop(const Fprop& f, const float* frame, const float* residual, float* y) {
  constexpr int64_t pixels = group(block);
  for (int64_t b = 0; b < f.blocks; b += 2) {
    // An odd block is computed twice and kept once.
    const int64_t kept = std::min<int64_t>(2, f.blocks - b);
    const float* w0 = f.w + b * f.filterTaps * block;
    const float* w1 = w0 + (kept - 1) * f.filterTaps * block;
    for (int64_t first = 0; first < f.width; first += pixels) {
      Lanes<block> sums[pixels][2] = {};
      for (int64_t tap = 0; tap < f.filterTaps; ++tap) {
        const float* from = frame + f.offsets[tap] + first * stride;
        const Lanes<block> filter0 = lanesAt<block>(w0, tap), filter1 = lanesAt<block>(w1, tap);
#pragma GCC unroll 12
        for (int64_t i = 0; i < pixels; ++i) {
          sums[i][0] += from[i * stride] * filter0;
          sums[i][1] += from[i * stride] * filter1;
        }
      }
#pragma GCC unroll 2
      for (int64_t half = 0; half < 2; ++half) {
        if (half == kept) break;
        const Lanes<block> added =
            f.epilogue.bias == nullptr ? Lanes<block>{} : lanesAt<block>(f.epilogue.bias, b + half);
        const int64_t start = (b + half) * f.height * f.width + first;
#pragma GCC unroll 12
        for (int64_t i = 0; i < pixels; ++i) {
          if (i == f.width - first) break;
          Lanes<block> pixel = sums[i][half] + added;
          if (residual != nullptr) pixel += lanesAt<block>(residual, start + i);
          if (f.epilogue.relu) pixel = pixel < 0.0f ? Lanes<block>{} : pixel;
          lanesAt<block>(y, start + i) = pixel;
        }
      }
    }
  }
}

SPINEGRAD_SIMD void convolveRow(int64_t block, const Fprop& f, const float* frame, const float* residual, float* y) {
  block == 16 ? convolveLoop<16>(f, frame, residual, y) : convolveLoop<8>(f, frame, residual, y);
}

/// One row of taps, one plane of x and one block of an image of dy, added to dw. x moves on by `rowStep` a row.
template <int64_t block>
SPINEGRAD_INLINE void gradientLoop(const float* x, int64_t rowStep, const float* dy, int64_t rows, int64_t columns,
                                   double* dw) {
  Lanes<block> sums[taps] = {};
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = x + row * rowStep;
    for (int64_t column = 0; column < columns; ++column, from += stride) {
      const Lanes<block> gradient = lanesAt<block>(dy, row * columns + column);
#pragma GCC unroll 7
      for (int64_t tap = 0; tap < taps; ++tap) sums[tap] += from[tap] * gradient;
    }
  }
  using Doubles = typename LanesOf<block>::Doubles;
  for (int64_t tap = 0; tap < taps; ++tap) {
    reinterpret_cast<Doubles*>(dw)[tap] += __builtin_convertvector(sums[tap], Doubles);
  }
}

SPINEGRAD_SIMD void gradientOf(int64_t block, const float* x, int64_t rowStep, const float* dy, int64_t rows,
                               int64_t columns, double* dw) {
  block == 16 ? gradientLoop<16>(x, rowStep, dy, rows, columns, dw)
              : gradientLoop<8>(x, rowStep, dy, rows, columns, dw);
}

}  // namespace

bool isStem(const Shape& x, const Shape& w, const Conv2dAttributes& attributes) {
  return x[1] <= 4 && w[3] == taps && attributes.strideW == stride;
}

void stemConvolve(const Shape& xShape, const float* x, const Shape& wShape, const float* w, const Epilogue& epilogue,
                  const Shape& yShape, float* y, const Conv2dAttributes& attributes) {
  const int64_t images = yShape[0], height = yShape[2], width = yShape[3], block = channelBlock();
  // Whole groups: what is beyond the last column is computed, too, and not kept.
  const int64_t columns = (width + group(block) - 1) / group(block) * group(block);
  const Frames frames(xShape, x, height, columns, wShape[2], attributes);
  std::vector<int32_t> offsets;
  for (int64_t tap = 0; tap < wShape[2] * taps; ++tap) {
    for (int64_t channel = 0; channel < xShape[1]; ++channel) {
      const int64_t row = channel * frames.height + tap / taps;
      offsets.push_back(static_cast<int32_t>(row * frames.width + tap % taps));
    }
  }
  const Fprop f{.filterTaps = static_cast<int64_t>(offsets.size()),
                .w = w,
                .offsets = offsets.data(),
                .epilogue = epilogue,
                .blocks = paddedChannels(yShape[1]) / block,
                .height = height,
                .width = width};
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t image = 0; image < images; ++image) {
    for (int64_t row = 0; row < height; ++row) {
      const int64_t first = (image * f.blocks * height + row) * width * block;
      convolveRow(block, f, frames[image * xShape[1]] + row * attributes.strideH * frames.width,
                  epilogue.residual == nullptr ? nullptr : epilogue.residual + first, y + first);
    }
  }
}

void stemFilterGradient(const Shape& xShape, const float* x, const Shape& dyShape, const float* dy, const Shape& wShape,
                        float* dw, const Conv2dAttributes& attributes) {
  const int64_t images = xShape[0], channels = xShape[1], filterRows = wShape[2];
  const Frames frames(xShape, x, dyShape[2], dyShape[3], filterRows, attributes);
  const int64_t block = channelBlock(), blocks = paddedChannels(dyShape[1]) / block;
  const int64_t plane = dyShape[2] * dyShape[3] * block;
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < blocks; ++b) {
    for (int64_t channel = 0; channel < channels; ++channel) {
      std::vector<double> sums(filterRows * taps * block);
      for (int64_t image = 0; image < images; ++image) {
        const float* frame = frames[image * channels + channel];
        for (int64_t row = 0; row < filterRows; ++row) {
          gradientOf(block, frame + row * frames.width, attributes.strideH * frames.width,
                     dy + (image * blocks + b) * plane, dyShape[2], dyShape[3], sums.data() + row * taps * block);
        }
      }
      for (int64_t tap = 0; tap < filterRows * taps; ++tap) {
        std::copy_n(sums.data() + tap * block, block,
                    dw + ((b * filterRows * taps + tap) * channels + channel) * block);
      }
    }
  }
}

}  // namespace spinegrad::cpu
