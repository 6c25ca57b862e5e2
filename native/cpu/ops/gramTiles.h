// Tiled products of a matrix E [rows, features] with itself; E E^T is never stored as a whole. A tile and the rows of E
// that it reads fit a core's own cache, and its side of 96 is a multiple of the register blocks of both vector lengths.
// E is packed twice, in the order in which the two products read it, with zeros after its last row and column.
#pragma once

#include <algorithm>

#include "native/cpu/runtime/memory.h"

namespace spinegrad::cpu {

constexpr int64_t tileSize = 96;
/// Floats from one row of a tile to the next, padded so that a column is spread over the cache sets.
constexpr int64_t tileStride = tileSize + 16;
constexpr int64_t tileFloats = tileSize * tileStride;

class GramTiles {
 public:
  /// `multiplied`: multiply() will be called too.
  GramTiles(const float* values, int64_t rows, int64_t features, bool multiplied);

  /// Number of row tiles. E_I is row tile I of E.
  int64_t count() const { return count_; }
  int64_t rowsOf(int64_t I) const { return std::min(tileSize, rows_ - I * tileSize); }
  /// Packs E_I. It must be called before a product with E_I.
  void pack(int64_t I) const;
  /// to = factor E_I E_J^T.
  void similarities(int64_t I, int64_t J, float factor, float* to) const;
  /// Floats of the sum that multiply() adds to, per row tile.
  int64_t sumFloats() const { return paddedFeatures_ * tileSize; }
  /// sum_I += tile E_J; if `transposed`, sum_J += tile^T E_I.
  void multiply(const float* tile, int64_t I, int64_t J, bool transposed, float* sum) const;
  /// Copies row i of a sum to values[features].
  void unpackRow(const float* sum, int64_t i, float* values) const;

 private:
  const float* values_;
  const bool multiplied_;
  const int64_t rows_, features_, lanes_, paddedFeatures_, count_;
  /// similarities() reads [rows / similarityPanel][features][similarityPanel]; multiply() reads, per row tile,
  /// [features / productPanel][tileSize][productPanel].
  Workspace<float> similarityPanels_, productPanels_;
};

}  // namespace spinegrad::cpu
