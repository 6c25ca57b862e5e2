// Per-channel statistics of an image tensor that the kernel which writes the tensor can produce for batch norm.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// The pixels are partitioned into `groups` groups in any order. Group g has counts[g] pixels; their means and their
/// sums of squared deviations from these means are [groups][padded channels], undefined for an empty group. `counts` is
/// null if no statistics are requested.
struct ChannelStatistics {
  float *means = nullptr, *squares = nullptr, *counts = nullptr;
  int32_t groups = 0;
};

}  // namespace spinegrad
