// A vector holds the channels of a block of dy, and a pixel of x, the same for all, is broadcast: the sums of a
// filter's 7 taps of one row stay in registers while they go through all pixels of an image. Images are added up in
// double, in order, so the result does not depend on the threads. They are copied into a frame of zeros first, so that
// the loop need not ask where the edge is.

#include "native/cpu/stemGradient.h"

#include <algorithm>
#include <vector>

#include "native/cpu/lanes.h"
#include "native/cpu/memory.h"
#include "native/cpu/simd.h"

namespace spinegrad::cpu {
namespace {

constexpr int64_t taps = 7, stride = 2;

/// Planes of x in their frames of zeros, as large as the filters reach.
class Frames {
 public:
  const int64_t height, width;

  Frames(const Shape& shape, const float* x, const Shape& dy, int64_t filterRows, const Conv2dAttributes& attributes)
      : height((dy[2] - 1) * attributes.strideH + filterRows),
        width((dy[3] - 1) * stride + taps),
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

void stemFilterGradient(const Shape& xShape, const float* x, const Shape& dyShape, const float* dy, const Shape& wShape,
                        float* dw, const Conv2dAttributes& attributes) {
  const int64_t images = xShape[0], channels = xShape[1], filterRows = wShape[2];
  const Frames frames(xShape, x, dyShape, filterRows, attributes);
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
