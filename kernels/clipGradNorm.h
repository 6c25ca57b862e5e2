// Types that the kernels of clipGradNorm and their launcher share.
#pragma once

#include <stdint.h>

namespace spinegrad {

struct ClipGradNormSums {
  /// One sum of squares per chunk, over all launches.
  double* squares;
  int64_t chunks;
};

}  // namespace spinegrad
