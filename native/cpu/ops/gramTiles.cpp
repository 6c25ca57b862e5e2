#include "native/cpu/ops/gramTiles.h"

#include "native/cpu/runtime/lanes.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {
namespace {

// Register blocks: with 8 lanes 4 rows of 3 vectors and 6 rows of 2, with 16 lanes 8 of 3 and 12 of 2.
constexpr int64_t similarityPanel(int64_t lanes) { return 3 * lanes; }
constexpr int64_t productPanel(int64_t lanes) { return 2 * lanes; }

/// sums[row][vector] += sum over the steps of a[row * aRow + step * aStep] * b[step][vector].
template <int64_t lanes, int64_t rows, int64_t vectors, int64_t aRow, int64_t aStep>
SPINEGRAD_INLINE void multiplyBlock(const float* a, const float* b, int64_t steps,
                                    Lanes<lanes> (&sums)[rows][vectors]) {
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
SPINEGRAD_INLINE void similaritiesOf(const float* a, int64_t aRows, const float* b, int64_t bRows, int64_t features,
                                     float factor, float* to) {
  constexpr int64_t panel = similarityPanel(lanes), rows = lanes / 2;
  for (int64_t j = 0; j < bRows; j += panel) {
    const int64_t end = a == b ? std::min(aRows, j + panel) : aRows;
    for (int64_t i = 0; i < end; i += rows) {
      Lanes<lanes> sums[rows][3] = {};
      multiplyBlock<lanes, rows, 3, 1, panel>(a + i / panel * panel * features + i % panel, b + j * features, features,
                                              sums);
#pragma GCC unroll 12
      for (int64_t row = 0; row < rows; ++row) {
#pragma GCC unroll 3
        for (int64_t v = 0; v < 3; ++v) lanesAt<lanes>(to + (i + row) * tileStride + j, v) = factor * sums[row][v];
      }
    }
    // E_I E_I^T is symmetric: values to the left of a diagonal panel are copied from above the diagonal.
    for (int64_t i = j; a == b && i < end; ++i) {
      for (int64_t k = 0; k < j; ++k) to[i * tileStride + k] = to[k * tileStride + i];
    }
  }
}

template <int64_t lanes, int64_t aRow, int64_t aStep>
SPINEGRAD_INLINE void multiplyOf(const float* tile, int64_t tileRows, const float* b, int64_t bRows, int64_t features,
                                 float* sum) {
  constexpr int64_t panel = productPanel(lanes), rows = 3 * lanes / 4;
  for (int64_t d = 0; d < features; d += panel) {
    for (int64_t i = 0; i < tileRows; i += rows) {
      float* to = sum + d * tileSize + i * panel;
      Lanes<lanes> sums[rows][2];
#pragma GCC unroll 12
      for (int64_t row = 0; row < rows; ++row) {
        sums[row][0] = lanesAt<lanes>(to, 2 * row);
        sums[row][1] = lanesAt<lanes>(to, 2 * row + 1);
      }
      multiplyBlock<lanes, rows, 2, aRow, aStep>(tile + i * aRow, b + d * tileSize, bRows, sums);
#pragma GCC unroll 12
      for (int64_t row = 0; row < rows; ++row) {
        lanesAt<lanes>(to, 2 * row) = sums[row][0];
        lanesAt<lanes>(to, 2 * row + 1) = sums[row][1];
      }
    }
  }
}

SPINEGRAD_SIMD void similarities8(const float* a, int64_t aRows, const float* b, int64_t bRows, int64_t features,
                                  float factor, float* to) {
  similaritiesOf<8>(a, aRows, b, bRows, features, factor, to);
}
SPINEGRAD_SIMD void similarities16(const float* a, int64_t aRows, const float* b, int64_t bRows, int64_t features,
                                   float factor, float* to) {
  similaritiesOf<16>(a, aRows, b, bRows, features, factor, to);
}
SPINEGRAD_SIMD void multiply8(const float* tile, int64_t rows, const float* b, int64_t bRows, int64_t features,
                              float* sum) {
  multiplyOf<8, tileStride, 1>(tile, rows, b, bRows, features, sum);
}
SPINEGRAD_SIMD void multiply16(const float* tile, int64_t rows, const float* b, int64_t bRows, int64_t features,
                               float* sum) {
  multiplyOf<16, tileStride, 1>(tile, rows, b, bRows, features, sum);
}
SPINEGRAD_SIMD void multiplyTransposed8(const float* tile, int64_t columns, const float* b, int64_t bRows,
                                        int64_t features, float* sum) {
  multiplyOf<8, 1, tileStride>(tile, columns, b, bRows, features, sum);
}
SPINEGRAD_SIMD void multiplyTransposed16(const float* tile, int64_t columns, const float* b, int64_t bRows,
                                         int64_t features, float* sum) {
  multiplyOf<16, 1, tileStride>(tile, columns, b, bRows, features, sum);
}

/// to[d * stride + i] = values[i * features + d].
void transposeRows(const float* values, int64_t rows, int64_t features, float* to, int64_t stride) {
  for (int64_t i = 0; i < rows; i += 4) {
    int64_t d = 0;
    for (; i + 4 <= rows && d + 4 <= features; d += 4) {
      Lanes<4> square[4];
      for (int64_t k = 0; k < 4; ++k) square[k] = lanesAt<4>(values + (i + k) * features + d, 0);
      transpose<4>(square);
      for (int64_t k = 0; k < 4; ++k) lanesAt<4>(to + (d + k) * stride + i, 0) = square[k];
    }
    for (; d < features; ++d) {
      for (int64_t k = i; k < std::min(rows, i + 4); ++k) to[d * stride + k] = values[k * features + d];
    }
  }
}

int64_t roundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

GramTiles::GramTiles(const float* values, int64_t rows, int64_t features, bool multiplied)
    : values_(values),
      multiplied_(multiplied),
      rows_(rows),
      features_(features),
      lanes_(vectorLanes()),
      paddedFeatures_(roundUp(features, productPanel(lanes_))),
      count_(roundUp(rows, tileSize) / tileSize),
      similarityPanels_(static_cast<size_t>(count_ * tileSize * features_)),
      productPanels_(multiplied ? static_cast<size_t>(count_ * sumFloats()) : 0) {}

void GramTiles::pack(int64_t I) const {
  const int64_t across = similarityPanel(lanes_), down = productPanel(lanes_), rows = rowsOf(I);
  const float* values = values_ + I * tileSize * features_;
  float* columns = similarityPanels_.data() + I * tileSize * features_;
  if (rows < tileSize) std::fill_n(columns, tileSize * features_, 0.0f);
  for (int64_t i = 0; i < rows; i += across) {
    transposeRows(values + i * features_, std::min(across, rows - i), features_, columns + i * features_, across);
  }
  if (!multiplied_) return;
  float* panels = productPanels_.data() + I * sumFloats();
  for (int64_t d = 0; d < features_; d += down) {
    for (int64_t i = 0; i < rows; ++i) {
      float* panel = panels + d * tileSize + i * down;
      std::fill(std::copy_n(values + i * features_ + d, std::min(down, features_ - d), panel), panel + down, 0.0f);
    }
  }
}

void GramTiles::similarities(int64_t I, int64_t J, float factor, float* to) const {
  const float* a = similarityPanels_.data() + I * tileSize * features_;
  const float* b = similarityPanels_.data() + J * tileSize * features_;
  (lanes_ == 16 ? similarities16 : similarities8)(a, rowsOf(I), b, rowsOf(J), features_, factor, to);
}

void GramTiles::multiply(const float* tile, int64_t I, int64_t J, bool transposed, float* sum) const {
  const int64_t from = transposed ? I : J, to = transposed ? J : I;
  const auto kernel = transposed ? (lanes_ == 16 ? multiplyTransposed16 : multiplyTransposed8)
                                 : (lanes_ == 16 ? multiply16 : multiply8);
  kernel(tile, rowsOf(to), productPanels_.data() + from * sumFloats(), rowsOf(from), paddedFeatures_, sum);
}

void GramTiles::unpackRow(const float* sum, int64_t i, float* values) const {
  const int64_t panel = productPanel(lanes_);
  for (int64_t d = 0; d < features_; d += panel) {
    std::copy_n(sum + d * tileSize + i * panel, std::min(panel, features_ - d), values + d);
  }
}

}  // namespace spinegrad::cpu
