// The status that kernels write if the data is invalid (a label out of range, a negative weight): one struct on the
// device, read with the next download.
#pragma once

#include <stdint.h>

namespace spinegrad {

struct Status {
  /// 0, or the number of the message (native/cuda/runtime/status.h). The message contains the two values below.
  int32_t report;
  int32_t value;
  int64_t position;
};

}  // namespace spinegrad
