// Memory of the CPU device: freed blocks are kept by size and handed out again, so that a warm training step asks
// the operating system for nothing. Blocks are aligned to a cache line; large ones to huge pages.
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

  /// A block of at least `bytes`, not initialised.
  void* allocate(size_t bytes);
  void release(void* block, size_t bytes);
  /// Gives every unused block back to the operating system.
  void trim();
  MemoryStatistics statistics() const;

 private:
  void trimLocked();

  mutable std::mutex mutex_;
  std::map<size_t, std::vector<void*>> unused_;
  MemoryStatistics statistics_;
};

}  // namespace spinegrad::cpu
