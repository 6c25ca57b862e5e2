// What kernels leave behind when the data is wrong (a label out of range, a negative weight): one word on the device,
// read with the next download. Shared by kernels and their launchers.
#pragma once

#include <stdint.h>

namespace spinegrad {

struct Status {
  /// 0: nothing. Else what to say (native/cuda/runtime/status.h), filled in with the two numbers below.
  int32_t report;
  int32_t value;
  int64_t position;
};

}  // namespace spinegrad
