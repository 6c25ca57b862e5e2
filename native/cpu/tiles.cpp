#include "native/cpu/tiles.h"

#include <algorithm>

#include "native/cpu/lanes.h"
#include "native/cpu/simd.h"

namespace spinegrad::cpu {
namespace {

// Register blocks: 4 rows of 3 vectors and 6 of 2 with 8 lanes, 8 of 3 and 12 of 2 with 16.
constexpr int64_t columnPanel(int64_t lanes) { return 3 * lanes; }
constexpr int64_t rowPanel(int64_t lanes) { return 2 * lanes; }

/// sums[row][vector] += sum over the steps of a[row * aRow + step * aStep] b[step][vector].
template <int64_t lanes, int64_t rows, int64_t vectors, int64_t aRow, int64_t aStep>
SPINEGRAD_INLINE void block(const float* a, const float* b, int64_t steps, Lanes<lanes> (&sums)[rows][vectors]) {
#pragma GCC unroll 2
  for (int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 12
    for (int64_t row = 0; row < rows; ++row) {
      const float factor = a[row * aRow + step * aStep];
#pragma GCC unroll 3
      for (int64_t v = 0; v < vectors; ++v) sums[row][v] += factor * lanesAt<lanes>(b, step * vectors + v);
    }
  }
}

template <int64_t lanes>
SPINEGRAD_INLINE void similaritiesBy(const float* a, const float* b, int64_t depth, float factor, float* to) {
  constexpr int64_t panel = columnPanel(lanes), rows = lanes / 2;
  for (int64_t j = 0; j < tileSize; j += panel) {
    for (int64_t i = 0; i < tileSize; i += rows) {
      Lanes<lanes> sums[rows][3] = {};
      block<lanes, rows, 3, 1, panel>(a + i / panel * panel * depth + i % panel, b + j * depth, depth, sums);
#pragma GCC unroll 12
      for (int64_t row = 0; row < rows; ++row) {
#pragma GCC unroll 3
        for (int64_t v = 0; v < 3; ++v) lanesAt<lanes>(to + (i + row) * tileStride + j, v) = factor * sums[row][v];
      }
    }
  }
}

template <int64_t lanes, int64_t aRow, int64_t aStep>
SPINEGRAD_INLINE void multiplyBy(const float* tile, const float* b, int64_t depth, float* sum) {
  constexpr int64_t panel = rowPanel(lanes), rows = 3 * lanes / 4;
  for (int64_t d = 0; d < depth; d += panel) {
    for (int64_t i = 0; i < tileSize; i += rows) {
      float* to = sum + d * tileSize + i * panel;
      Lanes<lanes> sums[rows][2];
#pragma GCC unroll 12
      for (int64_t row = 0; row < rows; ++row) {
        sums[row][0] = lanesAt<lanes>(to, 2 * row);
        sums[row][1] = lanesAt<lanes>(to, 2 * row + 1);
      }
      block<lanes, rows, 2, aRow, aStep>(tile + i * aRow, b + d * tileSize, tileSize, sums);
#pragma GCC unroll 12
      for (int64_t row = 0; row < rows; ++row) {
        lanesAt<lanes>(to, 2 * row) = sums[row][0];
        lanesAt<lanes>(to, 2 * row + 1) = sums[row][1];
      }
    }
  }
}

SPINEGRAD_SIMD void similarities8(const float* a, const float* b, int64_t depth, float factor, float* to) {
  similaritiesBy<8>(a, b, depth, factor, to);
}
SPINEGRAD_SIMD void similarities16(const float* a, const float* b, int64_t depth, float factor, float* to) {
  similaritiesBy<16>(a, b, depth, factor, to);
}
SPINEGRAD_SIMD void multiply8(const float* tile, bool transposed, const float* b, int64_t depth, float* sum) {
  transposed ? multiplyBy<8, 1, tileStride>(tile, b, depth, sum) : multiplyBy<8, tileStride, 1>(tile, b, depth, sum);
}
SPINEGRAD_SIMD void multiply16(const float* tile, bool transposed, const float* b, int64_t depth, float* sum) {
  transposed ? multiplyBy<16, 1, tileStride>(tile, b, depth, sum) : multiplyBy<16, tileStride, 1>(tile, b, depth, sum);
}

int64_t roundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

Tiles::Tiles(const float* values, int64_t rows, int64_t depth)
    : depth_(depth),
      lanes_(channelBlock()),
      paddedDepth_(roundUp(depth, rowPanel(lanes_))),
      count_(roundUp(rows, tileSize) / tileSize),
      byColumn_(static_cast<size_t>(count_ * tileSize * depth_)),
      byRow_(static_cast<size_t>(count_ * sumFloats())) {
  const int64_t across = columnPanel(lanes_), down = rowPanel(lanes_);
#pragma omp parallel for schedule(static)
  for (int64_t tile = 0; tile < count_; ++tile) {
    float* columns = byColumn_.data() + tile * tileSize * depth_;
    float* panels = byRow_.data() + tile * sumFloats();
    std::fill_n(columns, tileSize * depth_, 0.0f);
    std::fill_n(panels, sumFloats(), 0.0f);
    for (int64_t i = 0; i < std::min(tileSize, rows - tile * tileSize); ++i) {
      const float* row = values + (tile * tileSize + i) * depth_;
      float* column = columns + i / across * across * depth_ + i % across;
      for (int64_t d = 0; d < depth_; ++d) column[d * across] = row[d];
      for (int64_t d = 0; d < depth_; d += down) {
        std::copy_n(row + d, std::min(down, depth_ - d), panels + d * tileSize + i * down);
      }
    }
  }
}

void Tiles::similarities(int64_t I, int64_t J, float factor, float* to) const {
  const float* a = byColumn_.data() + I * tileSize * depth_;
  const float* b = byColumn_.data() + J * tileSize * depth_;
  (lanes_ == 16 ? similarities16 : similarities8)(a, b, depth_, factor, to);
}

void Tiles::multiply(const float* tile, bool transposed, int64_t J, float* sum) const {
  (lanes_ == 16 ? multiply16 : multiply8)(tile, transposed, byRow_.data() + J * sumFloats(), paddedDepth_, sum);
}

void Tiles::row(const float* sum, int64_t i, float* values) const {
  const int64_t panel = rowPanel(lanes_);
  for (int64_t d = 0; d < depth_; d += panel) {
    std::copy_n(sum + d * tileSize + i * panel, std::min(panel, depth_ - d), values + d);
  }
}

}  // namespace spinegrad::cpu
