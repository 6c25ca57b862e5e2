// Types that the kernels of lars and their launcher share.
#pragma once

namespace spinegrad {

/// Sums of squares of a chunk.
struct LarsSquares {
  double parameter, gradient;
};

}  // namespace spinegrad
