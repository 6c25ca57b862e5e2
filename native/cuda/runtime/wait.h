// Waits for the GPU. They poll, because a driver function that waits keeps a core busy and cannot be given up if a
// kernel never ends.
#pragma once

#include <chrono>
#include <functional>

#include "native/cuda/runtime/api.h"

namespace spinegrad::cuda {

/// Calls `query` until it does not return CUDA_ERROR_NOT_READY, or until `giveUp` returns true. Returns the last
/// result.
CUresult poll(const std::function<CUresult()>& query, const std::function<bool()>& giveUp);

/// Waits for all work of a stream, at most for `limit`. Returns whether it has ended, also with an error.
bool finishes(CUstream stream, std::chrono::milliseconds limit);

}  // namespace spinegrad::cuda
