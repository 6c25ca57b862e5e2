#include "native/cuda/runtime/pinned.h"

#include "native/cuda/runtime/driver.h"

namespace spinegrad::cuda {

Pinned::Pinned(size_t bytes) {
  void* memory = nullptr;
  SPINEGRAD_CUDA(cuMemHostAlloc, &memory, bytes, 0);
  data_ = static_cast<std::byte*>(memory);
}

Pinned::~Pinned() { driver().cuMemFreeHost(data_); }

}  // namespace spinegrad::cuda
