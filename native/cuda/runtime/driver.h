// The CUDA driver, found at run time: libcuda.so.1, or the library that SPINEGRAD_CUDA_LIBRARY names. Nothing of CUDA
// is linked, so the addon loads on any machine, and a machine without a driver is told so by an Error.
#pragma once

#include "native/cuda/runtime/api.h"

namespace spinegrad::cuda {

struct Driver {
#define SPINEGRAD_MEMBER(name, symbol, parameters) CUresult(*name) parameters = nullptr;
  SPINEGRAD_CUDA_FUNCTIONS(SPINEGRAD_MEMBER)
  /// Null where the driver lacks them.
  SPINEGRAD_CUDA_OPTIONAL_FUNCTIONS(SPINEGRAD_MEMBER)
#undef SPINEGRAD_MEMBER
};

/// Loads and initialises the driver at the first call. Throws ERR_DEVICE_UNAVAILABLE with the reason.
const Driver& driver();

/// Throws ERR_CUDA for any result but success.
void check(CUresult result, const char* call, const char* file, int line);

}  // namespace spinegrad::cuda

/// Calls a driver function and checks its result.
#define SPINEGRAD_CUDA(function, ...) \
  ::spinegrad::cuda::check(::spinegrad::cuda::driver().function(__VA_ARGS__), #function, __FILE__, __LINE__)
