// What a kernel that makes an image tensor can tell about its channels, and batch norm would read the tensor for.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// The pixels in `groups` groups, wherever they lie: group g has counts[g] of them, whose means a channel, and sums of
/// squared deviations from these, are [groups][padded channels]. A group of none has no others. `counts` is null where
/// nobody asked.
struct ChannelStatistics {
  float *means = nullptr, *squares = nullptr, *counts = nullptr;
  int32_t groups = 0;
};

}  // namespace spinegrad
