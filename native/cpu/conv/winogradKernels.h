// Winograd's minimal filtering for 3x3 convolutions of channel-blocked images (Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks", CVPR 2016), in all three passes and at stride 1 and 2.
//
// A tile of m x m outputs reads n x n inputs. With the matrices A, B and G of winogradTransforms.h, one image d, one
// filter g, and ' for the transpose:
//   fprop   y  = A' [ (G g G') * (B' d B) ] A     * is elementwise, and products are summed over the channels
//   wgrad   dg = G' [ (A dy A') * (B' d B) ] G    summed over the tiles
//   dgrad   is fprop of dy with filters rotated by 180 degrees and with their channels exchanged
// The sums of elementwise products are one matrix product per position of the n x n transformed tile. They need
// n*n / (9 m*m) of the direct method's multiplications: 1/4 for F(4x4, 3x3), 1/3.24 for F(3x3, 3x3), and 1/1.65 for the
// stride 2 form, where some positions use the same transformed filter.
//
// Transformed data is stored as [position][panel][tile or channel][2 blocks of channels]. A panel is two channel
// blocks, so a step of the matrix product loads two vectors.
//   fprop   By tiles: all filters are transformed; then each thread takes a block of `blockTiles` tiles through all
//           three steps in its own scratch, which fits the L2 cache. By filters, if transformed filters are larger than
//           transformed images: all tiles are transformed; then each thread takes a panel of filters through all steps.
//   wgrad   By tiles: the threads transform a block of tiles, then divide the products among themselves, position by
//           position, and accumulate over the blocks; the sums are transformed back at the end. By filters: one block
//           holds all tiles, and each thread takes a panel pair (outputs, inputs) through all positions and back.
// The order of every sum is independent of the number of threads.
#pragma once

#include <cstdint>

#include "native/cpu/conv/epilogue.h"

namespace spinegrad::cpu {

/// The structs of winogradTransforms.h.
enum class WinogradTransforms { F4x3, F3x3, F3x3Strided, F3x3StridedDgrad };

/// Size of images in channel blocks: [images][blocks][height][width][lanes].
struct BlockedSize {
  int64_t blocks, height, width;
};

/// How a convolution is computed: y = x * w, or dgrad with dy as x and dx as y.
struct WinogradPlan {
  WinogradTransforms transforms;
  int64_t outputs;      ///< m, the side of an output tile
  int64_t points;       ///< n, the side of a transformed tile
  int64_t filters;      ///< the side of a transformed filter: less than n if positions share filters
  bool rotatesFilters;  ///< dgrad
  int64_t images;
  BlockedSize x, y;
  int64_t padH, padW;
  int64_t tilesDown, tilesAcross;
  int64_t lanes;       ///< channels per block
  int64_t blockTiles;  ///< tiles that are transformed together

  int64_t tiles() const;
  int64_t positions() const;
  int64_t filterPositions() const;
  int64_t xPanels() const;
  int64_t yPanels() const;
  int64_t blocks() const;

  /// Floats from one position to the next: of a block's tiles of x, of y, and the larger of both; of all filters. The
  /// strides are not powers of two, which would map all positions to the same few cache sets.
  int64_t xStride() const;
  int64_t yStride() const;
  int64_t tilesStride() const;
  int64_t filterStride() const;
  /// The same for one panel of y.
  int64_t tilePanelStride() const;
  int64_t filterPanelStride() const;
  /// The same for one panel of x and one of y.
  int64_t filterPairStride() const;

  /// Whether threads divide the filters, not the tiles. `blockTiles` is then tiles().
  bool byFilters() const;
  /// Floats of scratch memory.
  int64_t fpropScratch(int64_t threads) const;
  int64_t wgradScratch(int64_t threads) const;
};

/// Filters are [K/lanes][C/lanes][3][3][lanes of C][lanes of K].
struct WinogradFprop {
  const float *x, *w;
  Epilogue epilogue;
  float *scratch, *y;
};

struct WinogradWgrad {
  const float *x, *dy;
  float *scratch, *dw;
};

/// The kernels of one vector length. fprop also computes dgrad.
struct WinogradKernels {
  void (*fprop)(const WinogradPlan& plan, const WinogradFprop& operands);
  void (*wgrad)(const WinogradPlan& plan, const WinogradWgrad& operands);
};

extern const WinogradKernels winograd8, winograd16;

}  // namespace spinegrad::cpu
