// Products of a matrix E [rows, depth] with itself by square tiles, for whoever never wants E E^T as a whole. A tile is
// so small that all it takes and gives stays in a core's own cache, and sides of 96 divide into whole register blocks
// of both vector lengths. E is kept twice as the products read it, with zeros behind its last row and column.
#pragma once

#include <algorithm>

#include "native/cpu/runtime/memory.h"

namespace spinegrad::cpu {

constexpr int64_t tileSize = 96;
/// Floats from one row of a tile to the next: a column does not fall into few sets of the cache.
constexpr int64_t tileStride = tileSize + 16;
constexpr int64_t tileFloats = tileSize * tileStride;

class Tiles {
 public:
  /// `multiplied`: also for multiply(); else for similarities alone.
  Tiles(const float* values, int64_t rows, int64_t depth, bool multiplied);

  int64_t count() const { return count_; }
  int64_t rowsOf(int64_t I) const { return std::min(tileSize, rows_ - I * tileSize); }
  /// Takes the rows of E_I: to be called before any product with it.
  void load(int64_t I) const;
  /// to = factor E_I E_J^T.
  void similarities(int64_t I, int64_t J, float factor, float* to) const;
  /// How many floats a sum of products takes, for each tile.
  int64_t sumFloats() const { return paddedDepth_ * tileSize; }
  /// sum_I += tile E_J; transposed: sum_J += tile^T E_I.
  void multiply(const float* tile, int64_t I, int64_t J, bool transposed, float* sum) const;
  /// Row i of a sum, values[depth].
  void row(const float* sum, int64_t i, float* values) const;

 private:
  const float* values_;
  const bool multiplied_;
  const int64_t rows_, depth_, lanes_, paddedDepth_, count_;
  /// [rows / columnPanel][depth][columnPanel], and a tile at a time [depth / rowPanel][tileSize][rowPanel].
  Workspace<float> byColumn_, byRow_;
};

}  // namespace spinegrad::cpu
