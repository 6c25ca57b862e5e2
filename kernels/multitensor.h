// The table for kernels that process many tensors in one launch: parameters, their gradients, their moments. Tensors
// are divided into chunks of fixed size and each block processes one chunk, so many small tensors occupy the device as
// well as a large one. The table is a kernel parameter: it needs no upload, and a captured launch keeps it.
#pragma once

#include <stdint.h>

namespace spinegrad {

constexpr int32_t multitensorChunk = 8192;

/// Up to `maxTuples` tuples of `width` tensors, the number that fits into the 4 KB of kernel parameters.
template <int width>
struct Multitensor {
  static constexpr int32_t maxTuples = 3840 / (8 * width + 12);

  int32_t tuples;
  /// If the list takes several launches, the number of chunks in the launches before this one.
  int32_t chunksBefore;
  /// The first chunk of each tuple, counted in this launch.
  int32_t firstChunk[maxTuples];
  int64_t size[maxTuples];
  float* values[maxTuples][width];
};

}  // namespace spinegrad
