// The first convolution of ResNet: at most four channels, filters seven wide, horizontal stride 2. A vector holds one
// channel block of y, and a pixel of x is broadcast to all its lanes. Images are first copied into zero frames, so the
// loops do not test for the border.
//   fprop   keeps the sums of several pixels of two blocks in registers over all taps.
//   wgrad   keeps the sums of the 7 taps of one filter row in registers over all pixels of an image. Images are summed
//           in double and in order, so the result is independent of the number of threads.

#include <algorithm>
#include <vector>

#include "native/cpu/conv/convolution.h"
#include "native/cpu/conv/operands.h"
#include "native/cpu/runtime/lanes.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu::stem {
namespace {

constexpr int64_t taps = 7, stride = 2;

/// The planes of x in zero frames that cover the taps of all outputs up to column `columns`.
class Frames {
 public:
  const int64_t height, width;

  Frames(const ConvProblem& problem, const float* x, int64_t columns)
      : height((problem.P - 1) * problem.strideH + problem.R),
        width((columns - 1) * stride + taps),
        values_(problem.N * problem.C * height * width) {
    const auto& [N, C, H, W, K, R, S, P, Q, strideH, strideW, padH, padW] = problem;
    const int64_t copied = std::min(W, width - padW);
#pragma omp parallel for schedule(static)
    for (int64_t plane = 0; plane < N * C; ++plane) {
      std::fill_n((*this)[plane], height * width, 0.0f);
      for (int64_t row = padH; row < std::min(height, padH + H); ++row) {
        std::copy_n(x + (plane * H + row - padH) * W, copied, (*this)[plane] + row * width + padW);
      }
    }
  }

  float* operator[](int64_t plane) const { return values_.data() + plane * height * width; }

 private:
  const Workspace<float> values_;
};

/// Pixels of y whose sums are in registers, two vectors each: 12 of 16 registers with AVX2, 24 of 32 with AVX-512.
constexpr int64_t pixelGroup(int64_t lanes) { return lanes == 16 ? 12 : 6; }

struct FpropKernel {
  int64_t filterTaps;
  const float* w;          ///< [blocks][filterTaps][lanes]
  const int32_t* offsets;  ///< per tap, of its pixel in the frames
  Epilogue epilogue;
  int64_t blocks, height, width;
};

/// One row of an image of y, two blocks at a time. The taps of its first pixel begin at `frame`; `y` and `residual` are
/// the row in the first block.
template <int64_t lanes>
SPINEGRAD_INLINE void convolveLoop(const FpropKernel& f, const float* frame, const float* residual, float* y) {
  constexpr int64_t pixels = pixelGroup(lanes);
  for (int64_t b = 0; b < f.blocks; b += 2) {
    // The last block of an odd number is computed twice and stored once.
    const int64_t stored = std::min<int64_t>(2, f.blocks - b);
    const float* w0 = f.w + b * f.filterTaps * lanes;
    const float* w1 = w0 + (stored - 1) * f.filterTaps * lanes;
    for (int64_t first = 0; first < f.width; first += pixels) {
      Lanes<lanes> sums[pixels][2] = {};
      for (int64_t tap = 0; tap < f.filterTaps; ++tap) {
        const float* from = frame + f.offsets[tap] + first * stride;
        const Lanes<lanes> filter0 = lanesAt<lanes>(w0, tap), filter1 = lanesAt<lanes>(w1, tap);
#pragma GCC unroll 12
        for (int64_t i = 0; i < pixels; ++i) {
          sums[i][0] += from[i * stride] * filter0;
          sums[i][1] += from[i * stride] * filter1;
        }
      }
#pragma GCC unroll 2
      for (int64_t half = 0; half < 2; ++half) {
        if (half == stored) break;
        const Lanes<lanes> bias =
            f.epilogue.bias == nullptr ? Lanes<lanes>{} : lanesAt<lanes>(f.epilogue.bias, b + half);
        const int64_t start = (b + half) * f.height * f.width + first;
#pragma GCC unroll 12
        for (int64_t i = 0; i < pixels; ++i) {
          if (i == f.width - first) break;
          Lanes<lanes> pixel = sums[i][half] + bias;
          if (residual != nullptr) pixel += lanesAt<lanes>(residual, start + i);
          if (f.epilogue.relu) pixel = pixel < 0.0f ? Lanes<lanes>{} : pixel;
          lanesAt<lanes>(y, start + i) = pixel;
        }
      }
    }
  }
}

SPINEGRAD_SIMD void convolveRow(int64_t lanes, const FpropKernel& f, const float* frame, const float* residual,
                                float* y) {
  lanes == 16 ? convolveLoop<16>(f, frame, residual, y) : convolveLoop<8>(f, frame, residual, y);
}

/// Adds to dw one row of taps, from one plane of x and one block of an image of dy. Rows of x are `rowStep` apart.
template <int64_t lanes>
SPINEGRAD_INLINE void wgradLoop(const float* x, int64_t rowStep, const float* dy, int64_t rows, int64_t columns,
                                double* dw) {
  Lanes<lanes> sums[taps] = {};
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = x + row * rowStep;
    for (int64_t column = 0; column < columns; ++column, from += stride) {
      const Lanes<lanes> gradient = lanesAt<lanes>(dy, row * columns + column);
#pragma GCC unroll 7
      for (int64_t tap = 0; tap < taps; ++tap) sums[tap] += from[tap] * gradient;
    }
  }
  using Doubles = typename LanesOf<lanes>::Doubles;
  for (int64_t tap = 0; tap < taps; ++tap) {
    reinterpret_cast<Doubles*>(dw)[tap] += __builtin_convertvector(sums[tap], Doubles);
  }
}

SPINEGRAD_SIMD void wgradPlane(int64_t lanes, const float* x, int64_t rowStep, const float* dy, int64_t rows,
                               int64_t columns, double* dw) {
  lanes == 16 ? wgradLoop<16>(x, rowStep, dy, rows, columns, dw) : wgradLoop<8>(x, rowStep, dy, rows, columns, dw);
}

/// [K/lanes][R][7][C][lanes].
dnnl::memory::desc filterLayout(const ConvProblem& problem) {
  using Tag = dnnl::memory::format_tag;
  return {dims(problem.w()), dnnl::memory::data_type::f32, vectorLanes() == 16 ? Tag::Ohwi16o : Tag::Ohwi8o};
}

}  // namespace

bool takes(const ConvProblem& problem) { return problem.C <= 4 && problem.S == taps && problem.strideW == stride; }

void fprop(const ConvProblem& problem, const FpropTensors& tensors) {
  const FpropOperands operands(tensors, rowMajor(problem.x()), filterLayout(problem));
  const int64_t height = problem.P, width = problem.Q, lanes = vectorLanes();
  // Whole pixel groups: outputs beyond the last column are computed and not stored.
  const Frames frames(problem, operands.x, (width + pixelGroup(lanes) - 1) / pixelGroup(lanes) * pixelGroup(lanes));
  std::vector<int32_t> offsets;
  for (int64_t tap = 0; tap < problem.R * taps; ++tap) {
    for (int64_t channel = 0; channel < problem.C; ++channel) {
      const int64_t row = channel * frames.height + tap / taps;
      offsets.push_back(static_cast<int32_t>(row * frames.width + tap % taps));
    }
  }
  const FpropKernel kernel{.filterTaps = static_cast<int64_t>(offsets.size()),
                           .w = operands.w,
                           .offsets = offsets.data(),
                           .epilogue = operands.epilogue,
                           .blocks = paddedChannels(problem.K) / lanes,
                           .height = height,
                           .width = width};
  const float* residual = operands.epilogue.residual;
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t image = 0; image < problem.N; ++image) {
    for (int64_t row = 0; row < height; ++row) {
      const int64_t first = (image * kernel.blocks * height + row) * width * lanes;
      convolveRow(lanes, kernel, frames[image * problem.C] + row * problem.strideH * frames.width,
                  residual == nullptr ? nullptr : residual + first, operands.y + first);
    }
  }
}

void wgrad(const ConvProblem& problem, Tensor& x, Tensor& dy, Tensor& dw) {
  const float* images = read<float>(x);
  const float* gradients = read(dy, channelBlocked(problem.y()));
  float* filters = write(dw, filterLayout(problem));
  const Frames frames(problem, images, problem.Q);
  const int64_t channels = problem.C, filterRows = problem.R;
  const int64_t lanes = vectorLanes(), blocks = paddedChannels(problem.K) / lanes;
  const int64_t plane = problem.P * problem.Q * lanes;
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < blocks; ++b) {
    for (int64_t channel = 0; channel < channels; ++channel) {
      std::vector<double> sums(filterRows * taps * lanes);
      for (int64_t image = 0; image < problem.N; ++image) {
        const float* frame = frames[image * channels + channel];
        for (int64_t row = 0; row < filterRows; ++row) {
          wgradPlane(lanes, frame + row * frames.width, problem.strideH * frames.width,
                     gradients + (image * blocks + b) * plane, problem.P, problem.Q, sums.data() + row * taps * lanes);
        }
      }
      for (int64_t tap = 0; tap < filterRows * taps; ++tap) {
        std::copy_n(sums.data() + tap * lanes, lanes,
                    filters + ((b * filterRows * taps + tap) * channels + channel) * lanes);
      }
    }
  }
}

}  // namespace spinegrad::cpu::stem
