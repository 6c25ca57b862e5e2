// What the kernels of clipGradNorm and their launcher agree on.
#pragma once

#include <stdint.h>

namespace spinegrad {

struct ClipGradNormSums {
  /// One a piece, over all launches.
  double* squares;
  int64_t pieces;
};

}  // namespace spinegrad
