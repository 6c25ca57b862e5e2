// Direct convolution of channel-blocked images, for problems with few pixels, whose filters are most of the memory
// traffic.
//
// Each tap of the filter is a matrix product over its list of pixel pairs (pixel of x, pixel of y) of all images. Pairs
// whose pixel of x is padding are not listed; on a 3x3 map these are two of five. A thread takes two blocks of K and
// reads their filters once, in memory order but `chunk` channels at a time, so that a tap's chunk stays in the L1 cache
// for the whole list. Six pixels' sums are in registers; between chunks the sums are in y. The order of every sum is
// independent of the number of threads.
#pragma once

#include <cstdint>

#include "native/cpu/conv/epilogue.h"

namespace spinegrad::cpu {

struct DirectConvPlan {
  /// Offsets of one pixel of x and one of y in their first channel block, in floats.
  struct Pair {
    int32_t x, y;
  };

  int64_t lanes;  ///< channels per block
  int64_t images, taps;
  int64_t xBlocks, xPlane;  ///< channel blocks, and floats of one block of one image
  int64_t yBlocks, yPlane;
  const Pair* pairs;
  const int64_t* first;  ///< per tap the index of its first pair, then the number of pairs
};

/// Filters are [K/lanes][C/lanes][taps][lanes of C][lanes of K].
struct DirectConvFprop {
  const float *x, *w;
  Epilogue epilogue;
  float* y;
};

/// The kernel of one vector length.
using DirectConvKernel = void (*)(const DirectConvPlan& plan, const DirectConvFprop& operands);

extern const DirectConvKernel directConv8, directConv16;

}  // namespace spinegrad::cpu
