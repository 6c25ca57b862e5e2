// The memory of the CPU device. Released blocks are cached by size and reused, so a warm training step makes no system
// call. Blocks are aligned to a cache line, large blocks to huge pages.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <vector>

#include "native/engine/device.h"

namespace spinegrad::cpu {

class Allocator {
 public:
  ~Allocator() { trim(); }

  /// A block of at least `bytes` bytes, not initialised.
  void* allocate(size_t bytes);
  void release(void* block, size_t bytes);
  /// Returns the cached blocks to the operating system.
  void trim();
  MemoryStatistics statistics() const;

 private:
  void trimLocked();

  mutable std::mutex mutex_;
  std::map<size_t, std::vector<void*>> cached_;
  MemoryStatistics statistics_;
};

}  // namespace spinegrad::cpu
