// Types and constants that the kernels of the elementwise losses and their launcher share.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// Elements per block; see sum.h.
constexpr int64_t lossChunk = 4096;

struct LossSums {
  double terms, weights;
  /// The position of the first negative weight, or the number of elements.
  int64_t negative;
};

}  // namespace spinegrad
