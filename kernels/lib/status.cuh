// How a kernel reports invalid data; see native/cuda/runtime/status.h. Only the first report since the last download is
// kept. One thread of a grid calls it.
#pragma once

#include "kernels/lib/kernel.cuh"
#include "kernels/status.h"

namespace spinegrad {

__device__ inline void reportOnce(Status* status, int32_t report, int32_t value, int64_t position) {
  if (status->report == 0) *status = Status{report, value, position};
}

}  // namespace spinegrad
