#include "native/cpu/runtime/allocator.h"

#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <set>
#include <string>

#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

constexpr size_t hugePage = size_t{2} << 20;

/// The allocators of the open devices.
struct Registry {
  std::mutex mutex;
  std::set<Allocator*> allocators;
};

/// Never destroyed, because devices close while the process exits.
Registry& registry() {
  static auto* registry = new Registry();
  return *registry;
}

size_t roundUp(size_t bytes, size_t unit) { return (std::max<size_t>(bytes, 1) + unit - 1) / unit * unit; }

/// Rounds sizes up by less than 1/16 (small sizes to cache lines), so tensors of similar sizes share blocks.
size_t blockSize(size_t bytes) {
  size_t unit = 64;
  while (unit * 32 < bytes) unit *= 2;
  return roundUp(bytes, unit);
}

/// Large blocks are mappings of their own, because free() may keep their memory in the heap of the thread.
void* systemAllocate(size_t size) {
  if (size < hugePage) return std::aligned_alloc(64, size);
  void* const mapping = mmap(nullptr, size + hugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  char* const first = static_cast<char*>(mapping);
  const size_t before = (hugePage - reinterpret_cast<size_t>(first) % hugePage) % hugePage;
  char* const block = first + before;
  if (before > 0) munmap(first, before);
  munmap(block + size, hugePage - before);
  madvise(block, size, MADV_HUGEPAGE);
  return block;
}

void trimAll() {
  std::lock_guard lock(registry().mutex);
  for (Allocator* allocator : registry().allocators) allocator->trim();
}

void systemFree(void* block, size_t size) {
  if (size < hugePage) {
    std::free(block);
  } else {
    munmap(block, size);
  }
}

}  // namespace

Allocator::Allocator(size_t maxCached) : maxCached_(maxCached) {
  std::lock_guard lock(registry().mutex);
  registry().allocators.insert(this);
}

Allocator::~Allocator() {
  {
    std::lock_guard lock(registry().mutex);
    registry().allocators.erase(this);
  }
  trim();
}

void* Allocator::allocate(size_t bytes) {
  const size_t size = blockSize(bytes);
  std::unique_lock lock(mutex_);
  void* block = find(size);
  if (block == nullptr) block = systemAllocate(size);
  if (block == nullptr) {
    lock.unlock();
    trimAll();
    block = systemAllocate(size);
    lock.lock();
  }
  if (block == nullptr) {
    throw Error("ERR_OUT_OF_MEMORY",
                "the CPU device could not allocate " + std::to_string(bytes) + " bytes (" +
                    std::to_string(statistics_.inUse) +
                    " in use); use a smaller batch or dispose tensors earlier, with tidy() or `using`");
  }
  statistics_.inUse += size;
  statistics_.peak = std::max(statistics_.peak, statistics_.inUse);
  return block;
}

void* Allocator::find(size_t size) {
  const auto found = bySize_.find(size);
  if (found == bySize_.end() || found->second.empty()) return nullptr;
  const Blocks::iterator newest = found->second.back();
  found->second.pop_back();
  spares_.splice(spares_.begin(), cached_, newest);
  statistics_.cached -= size;
  return newest->memory;
}

void Allocator::release(void* block, size_t bytes) {
  const size_t size = blockSize(bytes);
  std::lock_guard lock(mutex_);
  if (spares_.empty()) spares_.emplace_back();
  spares_.front() = {block, size};
  cached_.splice(cached_.end(), spares_, spares_.begin());
  bySize_[size].push_back(std::prev(cached_.end()));
  statistics_.inUse -= size;
  statistics_.cached += size;
  while (statistics_.cached > maxCached_) freeOldest();
}

void Allocator::freeOldest() {
  const auto [memory, size] = cached_.front();
  cached_.pop_front();
  bySize_[size].pop_front();
  statistics_.cached -= size;
  systemFree(memory, size);
}

void Allocator::trim() {
  std::lock_guard lock(mutex_);
  while (!cached_.empty()) freeOldest();
  bySize_.clear();
  spares_.clear();
  malloc_trim(0);
}

MemoryStatistics Allocator::statistics() const {
  std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace spinegrad::cpu
