// The CUDA driver, loaded at run time: libcuda.so.1, or the library in SPINEGRAD_CUDA_LIBRARY. The addon links nothing
// of CUDA, so it loads on any machine; without a driver, opening a device throws an Error.
#pragma once

#include "native/cuda/runtime/api.h"

namespace spinegrad::cuda {

struct Driver {
#define SPINEGRAD_MEMBER(name, symbol, parameters) CUresult(*name) parameters = nullptr;
  SPINEGRAD_CUDA_FUNCTIONS(SPINEGRAD_MEMBER)
  /// Null if the driver lacks them.
  SPINEGRAD_CUDA_OPTIONAL_FUNCTIONS(SPINEGRAD_MEMBER)
#undef SPINEGRAD_MEMBER
};

/// Loads and initializes the driver at the first call. Throws ERR_DEVICE_UNAVAILABLE with the reason.
const Driver& driver();

/// Throws ERR_CUDA unless `result` is CUDA_SUCCESS.
void check(CUresult result, const char* call, const char* file, int line);

}  // namespace spinegrad::cuda

/// Calls a driver function and checks its result.
#define SPINEGRAD_CUDA(function, ...) \
  ::spinegrad::cuda::check(::spinegrad::cuda::driver().function(__VA_ARGS__), #function, __FILE__, __LINE__)
