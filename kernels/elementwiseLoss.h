// What the kernels of mse and smoothL1 and their launcher agree on.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// Elements that one block adds up; see sum.h.
constexpr int64_t lossPiece = 4096;

struct LossSums {
  double terms, weights;
  /// The least position of a negative weight; the number of elements where there is none.
  int64_t negative;
};

}  // namespace spinegrad
