// The environment variables of the CUDA backend. They are read when a device opens, on the thread of JavaScript,
// because process.env may change the environment while the thread of the queue runs.
#pragma once

#include <string>

namespace spinegrad::cuda {

struct Settings {
  /// SPINEGRAD_CUDA_SYNC is set: wait for each kernel, to find the one that fails.
  bool synchronous = false;
  /// SPINEGRAD_CUDA_CACHE is not 0. Without the cache every block is new and has exactly the requested size, so that
  /// the checker of the simulator sees the bounds of every tensor and memory that was never written.
  bool caching = true;
  /// SPINEGRAD_CUDA_GEMM: the variant of conv2d and linear (native/cuda/ops/conv2d.cpp), or empty.
  std::string gemm;
};

Settings readSettings();

}  // namespace spinegrad::cuda
