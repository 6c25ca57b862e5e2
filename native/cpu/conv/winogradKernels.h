// Winograd's algorithm for 3x3 convolutions of stride 1 and 2 on channel-blocked images, in all three passes.
//
// An output tile of m x m pixels, m = 4 or 3, needs an input tile of n x n, n = m + 2. With the matrices B, G, A of
// winogradTransforms.h, one image d, one filter g and one output y a tile:
//   fprop   y  = A' [ (G g G') * (B' d B) ] A       * elementwise, summed over the channels
//   wgrad   dg = G' [ (A dy A') * (B' d B) ] G      summed over the tiles: fprop's form, transposed
//   dgrad   is fprop of dy with the filters turned by 180 degrees and their channels exchanged.
// Elementwise products summed are one matrix product for each of the n x n positions, with n*n / (9 m*m) of the direct
// method's multiplications: 1/4 for m = 4, 1/3.24 for m = 3.
// At stride 2 an output tile of 3 x 3 needs 7 x 7 pixels and 7 x 7 products, 1/1.65 of the direct method's; some of
// them have their filter in common. Its dgrad makes 6 x 6 pixels of dx from 4 x 4 of dy by as many.
//
// Transformed data is a panel of two channel blocks wide: [position][panel][tile or channel][2 blocks], so that the
// matrix product reads one vector pair for each step and keeps `rows` x 2 sums in registers.
//   fprop   Tiles first: the filters are transformed, then a thread takes a block of `blockTiles` tiles through all
//           three steps, with the block's transformed input and output in its own scratch, of the size of the L2 cache.
//           Filters first, where transformed filters are more than transformed images: all tiles are transformed, then
//           a thread takes a panel of filters through all steps.
//   wgrad   All threads transform a block of tiles, then share out the positions' products, whose sums stay in one
//           array over the blocks; at the end they transform that array back.
//           Filters first: one block of all tiles, and a thread takes a panel of inputs of a panel of outputs through
//           all positions and back.
// No sum's order depends on the number of threads.
#pragma once

#include <cstdint>

#include "native/cpu/conv/epilogue.h"

namespace spinegrad::cpu {

/// Of winogradTransforms.h.
enum class Transforms { F4x3, F3x3, F3x3Strided, F3x3StridedBack };

struct Winograd {
  Transforms transforms;
  int64_t outputs;  ///< pixels on a side of an output tile
  int64_t points;   ///< products on a side of a tile
  int64_t filters;  ///< different filters among them
  int64_t images, padH, padW;
  int64_t xHeight, xWidth, xBlocks;
  int64_t yHeight, yWidth, yBlocks;
  int64_t tilesDown, tilesAcross;
  int64_t lanes;  ///< channels in a block
  int64_t blockTiles;

  int64_t tiles() const;
  int64_t positions() const;
  int64_t filterPositions() const;
  int64_t xPanels() const;
  int64_t yPanels() const;
  int64_t blocks() const;
  /// Floats between one position's transformed tiles, or filters, and the next's. A little more than their number:
  /// a power of two would put all positions into the same few cache lines.
  int64_t xStride() const;
  int64_t yStride() const;
  int64_t tilesStride() const;  ///< the greater of both
  int64_t filterStride() const;
  /// The same of one panel of outputs.
  int64_t tilePanelStride() const;
  int64_t filterPanelStride() const;
  /// And of one panel of inputs of one panel of outputs.
  int64_t filterPairStride() const;

  /// Whether to keep all tiles and go through the filters, blockTiles then being the number of tiles.
  bool filtersFirst() const;
  int64_t fpropScratch(int64_t threads) const;
  int64_t wgradScratch(int64_t threads) const;
};

/// The kernels, once for each vector length. Filters are [K/lanes][C/lanes][3][3][lanes of C][lanes of K].
struct WinogradKernels {
  /// `turned`: dgrad, x being dy and y dx.
  void (*fprop)(const Winograd& plan, const float* x, const float* w, bool turned, const Epilogue& epilogue,
                float* scratch, float* y);
  void (*wgrad)(const Winograd& plan, const float* x, const float* dy, float* scratch, float* dw);
};

extern const WinogradKernels winograd8, winograd16;

}  // namespace spinegrad::cpu
