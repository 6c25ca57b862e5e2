// Direct convolution for one vector length: included by directConv8.cpp and directConv16.cpp, which are compiled for
// AVX2 and for AVX-512. See directConvKernels.h for the method, and winogradPasses.h for why nothing from the standard
// library is called here.

#include "native/cpu/conv/directConvKernels.h"
#include "native/cpu/runtime/math.h"

namespace spinegrad::cpu {
namespace {

constexpr int64_t lanes = SPINEGRAD_LANES;
/// Pixels whose sums are kept in registers, two vectors each.
constexpr int64_t rows = 6;
/// Channels of x whose part of a tap's filters is used on all pixels before the next part.
constexpr int64_t chunk = 64;

using Vector = float __attribute__((vector_size(4 * lanes)));

SPINEGRAD_INLINE Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
SPINEGRAD_INLINE void store(float* to, Vector value) { *reinterpret_cast<Vector*>(to) = value; }
SPINEGRAD_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/// One tap of `count` pixels of y: `blocks` blocks of x by `columns` blocks of y. Fetches filters at `ahead`, as many
/// as it uses, or again and again the first where `aheadStep` is 0.
template <int64_t count, int64_t columns>
void products(const DirectConv& plan, const DirectConv::Pair* pairs, const float* x, const float* w, int64_t blocks,
              const float* ahead, int64_t aheadStep, float* y) {
  const int64_t wColumn = plan.xBlocks * plan.taps * lanes * lanes;
  const float* from[count];
  Vector sums[count][columns];
#pragma GCC unroll 6
  for (int64_t row = 0; row < count; ++row) {
    from[row] = x + pairs[row].x;
#pragma GCC unroll 2
    for (int64_t column = 0; column < columns; ++column) {
      sums[row][column] = load(y + pairs[row].y + column * plan.yPlane);
    }
  }
  for (int64_t block = 0; block < blocks; ++block, w += plan.taps * lanes * lanes) {
#pragma GCC unroll 8
    for (int64_t channel = 0; channel < lanes; ++channel) {
      if (channel % (16 / lanes) == 0) {
#pragma GCC unroll 2
        for (int64_t column = 0; column < columns; ++column) __builtin_prefetch(ahead + column * wColumn);
        ahead += aheadStep;
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
      store(y + pairs[row].y + column * plan.yPlane, sums[row][column]);
    }
  }
}

template <int64_t columns>
SPINEGRAD_INLINE void productsOf(int64_t count, const DirectConv& plan, const DirectConv::Pair* pairs, const float* x,
                                 const float* w, int64_t blocks, const float* ahead, int64_t aheadStep, float* y) {
  switch (count) {
    case 1:
      return products<1, columns>(plan, pairs, x, w, blocks, ahead, aheadStep, y);
    case 2:
      return products<2, columns>(plan, pairs, x, w, blocks, ahead, aheadStep, y);
    case 3:
      return products<3, columns>(plan, pairs, x, w, blocks, ahead, aheadStep, y);
    case 4:
      return products<4, columns>(plan, pairs, x, w, blocks, ahead, aheadStep, y);
    case 5:
      return products<5, columns>(plan, pairs, x, w, blocks, ahead, aheadStep, y);
    case 6:
      return products<6, columns>(plan, pairs, x, w, blocks, ahead, aheadStep, y);
  }
}

/// Blocks [block, block + columns) of y.
template <int64_t columns>
void convolve(const DirectConv& plan, const float* x, const float* w, const Epilogue& epilogue, int64_t block,
              float* y) {
  const int64_t wColumn = plan.xBlocks * plan.taps * lanes * lanes;
  w += block * wColumn;
  const auto eachOfY = [&](auto visit) SPINEGRAD_LAMBDA {
    for (int64_t image = 0; image < plan.images; ++image) {
      for (int64_t column = block; column < block + columns; ++column) {
        const int64_t from = (image * plan.yBlocks + column) * plan.yPlane;
        for (int64_t at = from; at < from + plan.yPlane; at += lanes) visit(column, at);
      }
    }
  };
  eachOfY([&](int64_t column, int64_t at) SPINEGRAD_LAMBDA {
    Vector start = epilogue.bias == nullptr ? Vector{} : load(epilogue.bias + column * lanes);
    if (epilogue.residual != nullptr) start += load(epilogue.residual + at);
    store(y + at, start);
  });
  for (int64_t first = 0; first < plan.xBlocks; first += chunk / lanes) {
    const int64_t blocks = smaller(chunk / lanes, plan.xBlocks - first);
    // The next part's filters, or the next columns'.
    const int64_t next = (first + blocks) * plan.taps * lanes * lanes;
    const float* nextFilters = w + (next < wColumn ? next : columns * wColumn);
    for (int64_t tap = 0; tap < plan.taps; ++tap) {
      const float* filters = w + (first * plan.taps + tap) * lanes * lanes;
      const float* ahead = nextFilters + tap * blocks * lanes * lanes;
      int64_t aheadStep = 16;
      int64_t pair = plan.first[tap];
      const int64_t end = plan.first[tap + 1];
      // Of like counts: one or two pixels are too few to keep the multipliers busy.
      for (int64_t groups = (end - pair + rows - 1) / rows; groups > 0; --groups) {
        const int64_t count = (end - pair + groups - 1) / groups;
        productsOf<columns>(count, plan, plan.pairs + pair, x + first * plan.xPlane, filters, blocks, ahead, aheadStep,
                            y + block * plan.yPlane);
        pair += count;
        aheadStep = 0;
      }
    }
  }
  if (epilogue.relu) {
    eachOfY([&](int64_t, int64_t at) SPINEGRAD_LAMBDA {
      const Vector sum = load(y + at);
      store(y + at, sum < 0.0f ? Vector{} : sum);
    });
  }
}

void convolveAll(const DirectConv& plan, const float* x, const float* w, const Epilogue& epilogue, float* y) {
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < plan.yBlocks; block += 2) {
    plan.yBlocks - block == 1 ? convolve<1>(plan, x, w, epilogue, block, y)
                              : convolve<2>(plan, x, w, epilogue, block, y);
  }
}

}  // namespace
}  // namespace spinegrad::cpu
