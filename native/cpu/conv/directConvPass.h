// The direct convolution for one vector length. directConv8.cpp and directConv16.cpp include this file and are compiled
// for AVX2 and AVX-512. directConvKernels.h describes the method.

#include "native/cpu/conv/directConvKernels.h"
#include "native/cpu/conv/vector.h"
#include "native/cpu/runtime/math.h"

namespace spinegrad::cpu {
namespace {

/// Pixels whose sums are in registers, two vectors each.
constexpr int64_t rows = 6;
/// Channels of x whose filters of one tap are applied to all pixels before the next channels.
constexpr int64_t chunk = 64;

/// One tap and one chunk of channels: `blocks` blocks of x, from which `x` and `w` begin.
struct TapChunk {
  const DirectConvPlan::Pair* pairs;
  const float *x, *w;
  int64_t blocks;
  /// Filters to prefetch. If `prefetchStep` is 0, the same line is prefetched again, which has no effect.
  const float* prefetch;
  int64_t prefetchStep;
  float* y;
};

/// Adds one tap's products to `count` pixels of y and `columns` blocks of K.
template <int64_t count, int64_t columns>
void addProducts(const DirectConvPlan& plan, const TapChunk& tap) {
  const int64_t wColumn = plan.xBlocks * plan.taps * lanes * lanes;
  const float *w = tap.w, *prefetch = tap.prefetch;
  const float* from[count];
  Vector sums[count][columns];
#pragma GCC unroll 6
  for (int64_t row = 0; row < count; ++row) {
    from[row] = tap.x + tap.pairs[row].x;
#pragma GCC unroll 2
    for (int64_t column = 0; column < columns; ++column) {
      sums[row][column] = load(tap.y + tap.pairs[row].y + column * plan.yPlane);
    }
  }
  for (int64_t block = 0; block < tap.blocks; ++block, w += plan.taps * lanes * lanes) {
#pragma GCC unroll 8
    for (int64_t channel = 0; channel < lanes; ++channel) {
      if (channel % (16 / lanes) == 0) {
#pragma GCC unroll 2
        for (int64_t column = 0; column < columns; ++column) __builtin_prefetch(prefetch + column * wColumn);
        prefetch += tap.prefetchStep;
      }
      Vector filters[columns];
#pragma GCC unroll 2
      for (int64_t column = 0; column < columns; ++column)
        filters[column] = load(w + column * wColumn + channel * lanes);
#pragma GCC unroll 6
      for (int64_t row = 0; row < count; ++row) {
        const float pixel = from[row][channel];
#pragma GCC unroll 2
        for (int64_t column = 0; column < columns; ++column) sums[row][column] += pixel * filters[column];
      }
    }
#pragma GCC unroll 6
    for (int64_t row = 0; row < count; ++row) from[row] += plan.xPlane;
  }
#pragma GCC unroll 6
  for (int64_t row = 0; row < count; ++row) {
#pragma GCC unroll 2
    for (int64_t column = 0; column < columns; ++column) {
      store(tap.y + tap.pairs[row].y + column * plan.yPlane, sums[row][column]);
    }
  }
}

template <int64_t columns>
SPINEGRAD_INLINE void addProductsOf(int64_t count, const DirectConvPlan& plan, const TapChunk& tap) {
  switch (count) {
    case 1:
      return addProducts<1, columns>(plan, tap);
    case 2:
      return addProducts<2, columns>(plan, tap);
    case 3:
      return addProducts<3, columns>(plan, tap);
    case 4:
      return addProducts<4, columns>(plan, tap);
    case 5:
      return addProducts<5, columns>(plan, tap);
    case 6:
      return addProducts<6, columns>(plan, tap);
  }
}

/// Blocks [block, block + columns) of K.
template <int64_t columns>
void convolve(const DirectConvPlan& plan, const DirectConvFprop& operands, int64_t block) {
  const Epilogue& epilogue = operands.epilogue;
  float* y = operands.y;
  const int64_t wColumn = plan.xBlocks * plan.taps * lanes * lanes;
  const float* w = operands.w + block * wColumn;
  const auto eachPixel = [&](auto visit) SPINEGRAD_LAMBDA {
    for (int64_t image = 0; image < plan.images; ++image) {
      for (int64_t column = block; column < block + columns; ++column) {
        const int64_t first = (image * plan.yBlocks + column) * plan.yPlane;
        for (int64_t offset = first; offset < first + plan.yPlane; offset += lanes) visit(column, offset);
      }
    }
  };
  eachPixel([&](int64_t column, int64_t offset) SPINEGRAD_LAMBDA {
    Vector start = epilogue.bias == nullptr ? Vector{} : load(epilogue.bias + column * lanes);
    if (epilogue.residual != nullptr) start += load(epilogue.residual + offset);
    store(y + offset, start);
  });
  for (int64_t first = 0; first < plan.xBlocks; first += chunk / lanes) {
    const int64_t blocks = smaller(chunk / lanes, plan.xBlocks - first);
    // The filters of the next chunk, or of the next columns after the last chunk.
    const int64_t next = (first + blocks) * plan.taps * lanes * lanes;
    const float* nextFilters = w + (next < wColumn ? next : columns * wColumn);
    for (int64_t tap = 0; tap < plan.taps; ++tap) {
      TapChunk work{.pairs = plan.pairs + plan.first[tap],
                    .x = operands.x + first * plan.xPlane,
                    .w = w + (first * plan.taps + tap) * lanes * lanes,
                    .blocks = blocks,
                    .prefetch = nextFilters + tap * blocks * lanes * lanes,
                    .prefetchStep = 16,
                    .y = y + block * plan.yPlane};
      int64_t pair = plan.first[tap];
      const int64_t end = plan.first[tap + 1];
      // Groups have nearly equal counts, because one or two pixels do not keep the multipliers busy.
      for (int64_t groups = (end - pair + rows - 1) / rows; groups > 0; --groups) {
        const int64_t count = (end - pair + groups - 1) / groups;
        addProductsOf<columns>(count, plan, work);
        pair += count;
        work.pairs += count;
        work.prefetchStep = 0;
      }
    }
  }
  if (epilogue.relu) {
    eachPixel([&](int64_t, int64_t offset) SPINEGRAD_LAMBDA {
      const Vector sum = load(y + offset);
      store(y + offset, sum < 0.0f ? Vector{} : sum);
    });
  }
}

void convolveAll(const DirectConvPlan& plan, const DirectConvFprop& operands) {
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < plan.yBlocks; block += 2) {
    plan.yBlocks - block == 1 ? convolve<1>(plan, operands, block) : convolve<2>(plan, operands, block);
  }
}

}  // namespace
}  // namespace spinegrad::cpu
