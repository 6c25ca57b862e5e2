#include "native/cpu/ops/tiles.h"

#include "native/cpu/runtime/lanes.h"
#include "native/cpu/runtime/simd.h"

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
SPINEGRAD_INLINE void similaritiesBy(const float* a, int64_t aRows, const float* b, int64_t bRows, int64_t depth,
                                     float factor, float* to) {
  constexpr int64_t panel = columnPanel(lanes), rows = lanes / 2;
  for (int64_t j = 0; j < bRows; j += panel) {
    const int64_t end = a == b ? std::min(aRows, j + panel) : aRows;
    for (int64_t i = 0; i < end; i += rows) {
      Lanes<lanes> sums[rows][3] = {};
      block<lanes, rows, 3, 1, panel>(a + i / panel * panel * depth + i % panel, b + j * depth, depth, sums);
#pragma GCC unroll 12
      for (int64_t row = 0; row < rows; ++row) {
#pragma GCC unroll 3
        for (int64_t v = 0; v < 3; ++v) lanesAt<lanes>(to + (i + row) * tileStride + j, v) = factor * sums[row][v];
      }
    }
    // A tile of E_I with itself is symmetric: what is left of a panel's square was computed above it.
    for (int64_t i = j; a == b && i < end; ++i) {
      for (int64_t k = 0; k < j; ++k) to[i * tileStride + k] = to[k * tileStride + i];
    }
  }
}

template <int64_t lanes, int64_t aRow, int64_t aStep>
SPINEGRAD_INLINE void multiplyBy(const float* tile, int64_t tileRows, const float* b, int64_t bRows, int64_t depth,
                                 float* sum) {
  constexpr int64_t panel = rowPanel(lanes), rows = 3 * lanes / 4;
  for (int64_t d = 0; d < depth; d += panel) {
    for (int64_t i = 0; i < tileRows; i += rows) {
      float* to = sum + d * tileSize + i * panel;
      Lanes<lanes> sums[rows][2];
#pragma GCC unroll 12
      for (int64_t row = 0; row < rows; ++row) {
        sums[row][0] = lanesAt<lanes>(to, 2 * row);
        sums[row][1] = lanesAt<lanes>(to, 2 * row + 1);
      }
      block<lanes, rows, 2, aRow, aStep>(tile + i * aRow, b + d * tileSize, bRows, sums);
#pragma GCC unroll 12
      for (int64_t row = 0; row < rows; ++row) {
        lanesAt<lanes>(to, 2 * row) = sums[row][0];
        lanesAt<lanes>(to, 2 * row + 1) = sums[row][1];
      }
    }
  }
}

SPINEGRAD_SIMD void similarities8(const float* a, int64_t aRows, const float* b, int64_t bRows, int64_t depth,
                                  float factor, float* to) {
  similaritiesBy<8>(a, aRows, b, bRows, depth, factor, to);
}
SPINEGRAD_SIMD void similarities16(const float* a, int64_t aRows, const float* b, int64_t bRows, int64_t depth,
                                   float factor, float* to) {
  similaritiesBy<16>(a, aRows, b, bRows, depth, factor, to);
}
SPINEGRAD_SIMD void multiply8(const float* tile, int64_t rows, const float* b, int64_t bRows, int64_t depth,
                              float* sum) {
  multiplyBy<8, tileStride, 1>(tile, rows, b, bRows, depth, sum);
}
SPINEGRAD_SIMD void multiply16(const float* tile, int64_t rows, const float* b, int64_t bRows, int64_t depth,
                               float* sum) {
  multiplyBy<16, tileStride, 1>(tile, rows, b, bRows, depth, sum);
}
SPINEGRAD_SIMD void multiplyTransposed8(const float* tile, int64_t columns, const float* b, int64_t bRows,
                                        int64_t depth, float* sum) {
  multiplyBy<8, 1, tileStride>(tile, columns, b, bRows, depth, sum);
}
SPINEGRAD_SIMD void multiplyTransposed16(const float* tile, int64_t columns, const float* b, int64_t bRows,
                                         int64_t depth, float* sum) {
  multiplyBy<16, 1, tileStride>(tile, columns, b, bRows, depth, sum);
}

/// to[d * stride + i] = values[i * depth + d].
void turn(const float* values, int64_t rows, int64_t depth, float* to, int64_t stride) {
  for (int64_t i = 0; i < rows; i += 4) {
    int64_t d = 0;
    for (; i + 4 <= rows && d + 4 <= depth; d += 4) {
      Lanes<4> square[4];
      for (int64_t k = 0; k < 4; ++k) square[k] = lanesAt<4>(values + (i + k) * depth + d, 0);
      transpose<4>(square);
      for (int64_t k = 0; k < 4; ++k) lanesAt<4>(to + (d + k) * stride + i, 0) = square[k];
    }
    for (; d < depth; ++d) {
      for (int64_t k = i; k < std::min(rows, i + 4); ++k) to[d * stride + k] = values[k * depth + d];
    }
  }
}

int64_t roundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

Tiles::Tiles(const float* values, int64_t rows, int64_t depth, bool multiplied)
    : values_(values),
      multiplied_(multiplied),
      rows_(rows),
      depth_(depth),
      lanes_(vectorLanes()),
      paddedDepth_(roundUp(depth, rowPanel(lanes_))),
      count_(roundUp(rows, tileSize) / tileSize),
      byColumn_(static_cast<size_t>(count_ * tileSize * depth_)),
      byRow_(multiplied ? static_cast<size_t>(count_ * sumFloats()) : 0) {}

void Tiles::load(int64_t I) const {
  const int64_t across = columnPanel(lanes_), down = rowPanel(lanes_), rows = rowsOf(I);
  const float* values = values_ + I * tileSize * depth_;
  float* columns = byColumn_.data() + I * tileSize * depth_;
  if (rows < tileSize) std::fill_n(columns, tileSize * depth_, 0.0f);
  for (int64_t i = 0; i < rows; i += across) {
    turn(values + i * depth_, std::min(across, rows - i), depth_, columns + i * depth_, across);
  }
  if (!multiplied_) return;
  float* panels = byRow_.data() + I * sumFloats();
  for (int64_t d = 0; d < depth_; d += down) {
    for (int64_t i = 0; i < rows; ++i) {
      float* panel = panels + d * tileSize + i * down;
      std::fill(std::copy_n(values + i * depth_ + d, std::min(down, depth_ - d), panel), panel + down, 0.0f);
    }
  }
}

void Tiles::similarities(int64_t I, int64_t J, float factor, float* to) const {
  const float* a = byColumn_.data() + I * tileSize * depth_;
  const float* b = byColumn_.data() + J * tileSize * depth_;
  (lanes_ == 16 ? similarities16 : similarities8)(a, rowsOf(I), b, rowsOf(J), depth_, factor, to);
}

void Tiles::multiply(const float* tile, int64_t I, int64_t J, bool transposed, float* sum) const {
  const int64_t from = transposed ? I : J, to = transposed ? J : I;
  const auto kernel = transposed ? (lanes_ == 16 ? multiplyTransposed16 : multiplyTransposed8)
                                 : (lanes_ == 16 ? multiply16 : multiply8);
  kernel(tile, rowsOf(to), byRow_.data() + from * sumFloats(), rowsOf(from), paddedDepth_, sum);
}

void Tiles::row(const float* sum, int64_t i, float* values) const {
  const int64_t panel = rowPanel(lanes_);
  for (int64_t d = 0; d < depth_; d += panel) {
    std::copy_n(sum + d * tileSize + i * panel, std::min(panel, depth_ - d), values + d);
  }
}

}  // namespace spinegrad::cpu
