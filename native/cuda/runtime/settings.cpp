#include "native/cuda/runtime/settings.h"

#include <cstdlib>

namespace spinegrad::cuda {

Settings readSettings() {
  const auto read = [](const char* name) {
    const char* const text = std::getenv(name);
    return std::string(text == nullptr ? "" : text);
  };
  return {.synchronous = std::getenv("SPINEGRAD_CUDA_SYNC") != nullptr,
          .caching = read("SPINEGRAD_CUDA_CACHE") != "0",
          .gemm = read("SPINEGRAD_CUDA_GEMM")};
}

}  // namespace spinegrad::cuda
