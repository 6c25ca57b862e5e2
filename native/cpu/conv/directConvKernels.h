// Direct convolution on channel-blocked images, for few pixels.
//
// A tap, one place of the filter, adds to each pixel of y the product of one pixel of x and a C x K matrix. Pixels
// whose pixel of x would be padding have no such product, which on a 3 x 3 map is two in five: so each tap has a list
// of pairs of pixels, of all images, and is a matrix product over its list. A thread takes two blocks of K and goes
// through the filters once, in the order in which they lie but for `chunk` channels at a time, so that a tap's part of
// them stays in the L1 cache for the whole list. Sums are kept in registers for six pixels and in y between the parts.
// No sum's order depends on the number of threads.
#pragma once

#include <cstdint>

#include "native/cpu/conv/epilogue.h"

namespace spinegrad::cpu {

struct DirectConv {
  /// Where one pixel of x and one of y lie in their first blocks of channels, in floats.
  struct Pair {
    int32_t x, y;
  };

  int64_t lanes;  ///< channels in a block
  int64_t images, taps;
  int64_t xBlocks, xPlane;  ///< blocks, and floats in one block of one image
  int64_t yBlocks, yPlane;
  const Pair* pairs;
  const int64_t* first;  ///< of each tap's pairs, and one behind the last
};

/// The kernel, once for each vector length. Filters are [K/lanes][C/lanes][taps][lanes of C][lanes of K].
using DirectConvKernel = void (*)(const DirectConv& plan, const float* x, const float* w, const Epilogue& epilogue,
                                  float* y);

extern const DirectConvKernel directConv8, directConv16;

}  // namespace spinegrad::cpu
