// The memory of the CPU device. Released blocks are cached by size and reused, so a warm training step makes no system
// call. Blocks are aligned to a cache line, large blocks to huge pages.
#pragma once

#include <cstddef>
#include <deque>
#include <list>
#include <map>
#include <mutex>

#include "native/engine/device.h"

namespace spinegrad::cpu {

class Allocator {
 public:
  /// Keeps at most `maxCached` bytes of released blocks.
  explicit Allocator(size_t maxCached);
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  /// A block of at least `bytes` bytes, not initialised. If the system has no memory, the caches of all devices are
  /// freed first.
  void* allocate(size_t bytes);
  void release(void* block, size_t bytes);
  /// Returns the cached blocks to the operating system.
  void trim();
  MemoryStatistics statistics() const;
  size_t maxCached() const { return maxCached_; }

 private:
  struct Block {
    void* memory;
    size_t size;
  };
  using Blocks = std::list<Block>;

  // The caller holds the mutex.
  /// A cached block, or null.
  void* find(size_t size);
  void freeOldest();

  const size_t maxCached_;
  mutable std::mutex mutex_;
  /// In the order of their release.
  Blocks cached_;
  /// The cached blocks of each size, in the same order.
  std::map<size_t, std::deque<Blocks::iterator>> bySize_;
  /// Nodes for `cached_`.
  Blocks spares_;
  MemoryStatistics statistics_;
};

}  // namespace spinegrad::cpu
