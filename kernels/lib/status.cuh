// How a kernel says that its data is wrong: see native/cuda/runtime/status.h. The first report since the last download
// counts; one thread of a grid calls it.
#pragma once

#include "kernels/lib/kernel.cuh"
#include "kernels/status.h"

namespace spinegrad {

__device__ inline void reportOnce(Status* status, int32_t report, int32_t value, int64_t position) {
  if (status->report == 0) *status = Status{report, value, position};
}

}  // namespace spinegrad
