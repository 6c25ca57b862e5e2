#include "native/cpu/runtime/allocator.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

constexpr size_t hugePage = size_t{2} << 20;

size_t roundUp(size_t bytes, size_t unit) { return (std::max<size_t>(bytes, 1) + unit - 1) / unit * unit; }

/// Rounds sizes up by less than 1/16 (small sizes to cache lines), so tensors of similar sizes share blocks.
size_t blockSize(size_t bytes) {
  size_t unit = 64;
  while (unit * 32 < bytes) unit *= 2;
  return roundUp(bytes, unit);
}

void* systemAllocate(size_t bytes) {
  const size_t alignment = bytes >= hugePage ? hugePage : 64;
  void* block = std::aligned_alloc(alignment, roundUp(bytes, alignment));
  if (block != nullptr && alignment == hugePage) madvise(block, bytes, MADV_HUGEPAGE);
  return block;
}

}  // namespace

void* Allocator::allocate(size_t bytes) {
  const size_t size = blockSize(bytes);
  std::lock_guard lock(mutex_);
  void* block = nullptr;
  if (auto found = cached_.find(size); found != cached_.end() && !found->second.empty()) {
    block = found->second.back();
    found->second.pop_back();
    statistics_.cached -= size;
  } else {
    block = systemAllocate(size);
    if (block == nullptr) {
      trimLocked();
      block = systemAllocate(size);
    }
    if (block == nullptr) {
      throw Error("ERR_OUT_OF_MEMORY", "the CPU device could not allocate " + std::to_string(bytes) + " bytes (" +
                                           std::to_string(statistics_.inUse) +
                                           " in use); use a smaller batch or dispose tensors earlier");
    }
  }
  statistics_.inUse += size;
  statistics_.peak = std::max(statistics_.peak, statistics_.inUse);
  return block;
}

void Allocator::release(void* block, size_t bytes) {
  const size_t size = blockSize(bytes);
  std::lock_guard lock(mutex_);
  cached_[size].push_back(block);
  statistics_.inUse -= size;
  statistics_.cached += size;
}

void Allocator::trim() {
  std::lock_guard lock(mutex_);
  trimLocked();
}

void Allocator::trimLocked() {
  for (auto& [size, blocks] : cached_) {
    for (void* block : blocks) std::free(block);
  }
  cached_.clear();
  statistics_.cached = 0;
}

MemoryStatistics Allocator::statistics() const {
  std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace spinegrad::cpu
