// The parameters of the kernels of concat.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// Values [fromFirst, fromFirst + values) of each row of `from` go to toFirst of the same row of `to`; the rest of the
/// `count` values there is zero. Sizes are in floats.
struct ConcatRows {
  int64_t rows, fromSize, toSize, fromFirst, toFirst, values, count;
};

}  // namespace spinegrad
