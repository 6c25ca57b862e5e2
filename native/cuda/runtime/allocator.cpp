#include "native/cuda/runtime/allocator.h"

#include <algorithm>
#include <string>
#include <utility>

#include "native/engine/error.h"

namespace spinegrad::cuda {
namespace {

std::string megabytes(size_t bytes) { return std::to_string((bytes + 999'999) / 1'000'000) + " MB"; }

const char* nameOf(DType dtype) {
  static constexpr const char* names[] = {"float32", "int32", "uint16", "uint8"};
  return names[static_cast<size_t>(dtype)];
}

std::string nameOf(DType dtype, const Shape& shape) {
  std::string text = nameOf(dtype);
  const char* separator = " [";
  for (int64_t size : shape) text += std::exchange(separator, ", ") + std::to_string(size);
  return text + (shape.rank() == 0 ? " scalar" : "]");
}

}  // namespace

Allocator::~Allocator() {
  for (const auto& pool : pools_) {
    if (const auto captured = pool.lock()) end(*captured);
  }
  trim();
  for (const auto& [block, live] : live_) driver().cuMemFree(block);
}

size_t Allocator::blockSize(size_t bytes) const {
  if (!caching_) return std::max<size_t>(bytes, 1);
  size_t unit = 256;
  while (unit * 32 < bytes) unit *= 2;
  return (std::max<size_t>(bytes, 1) + unit - 1) / unit * unit;
}

CUdeviceptr Allocator::allocate(size_t bytes, const Consumer& consumer) {
  const size_t size = blockSize(bytes);
  std::lock_guard lock(mutex_);
  if (!caching_ && pool_ == main_) trimLocked();
  CUdeviceptr block = find(size);
  if (block == 0) {
    CUresult result = driver().cuMemAlloc(&block, size);
    if (result == CUDA_ERROR_OUT_OF_MEMORY && pool_ == main_) {
      trimLocked();
      result = driver().cuMemAlloc(&block, size);
    }
    if (result == CUDA_ERROR_OUT_OF_MEMORY) throw Error("ERR_OUT_OF_MEMORY", report(bytes));
    check(result, "cuMemAlloc", __FILE__, __LINE__);
  }
  const bool workspace = consumer.shape == nullptr;
  live_.emplace(block, Live{size, consumer.dtype, workspace, workspace ? Shape{} : *consumer.shape, pool_});
  statistics_.inUse += size;
  statistics_.peak = std::max(statistics_.peak, statistics_.inUse);
  return block;
}

CUdeviceptr Allocator::find(size_t size) {
  for (Pool* pool : {pool_.get(), main_.get()}) {
    const auto found = pool->unused.find(size);
    if (found == pool->unused.end() || found->second.empty()) continue;
    const CUdeviceptr block = found->second.back();
    found->second.pop_back();
    statistics_.cached -= size;
    return block;
  }
  return 0;
}

void Allocator::release(CUdeviceptr block) {
  std::lock_guard lock(mutex_);
  const auto found = live_.find(block);
  const auto& [size, dtype, workspace, shape, pool] = found->second;
  (pool->ended ? *main_ : *pool).unused[size].push_back(block);
  statistics_.inUse -= size;
  statistics_.cached += size;
  live_.erase(found);
}

void Allocator::use(std::shared_ptr<Pool> pool) {
  std::lock_guard lock(mutex_);
  pool_ = pool == nullptr ? main_ : std::move(pool);
  if (pool_ == main_) return;
  std::erase_if(pools_, [](const auto& known) { return known.expired(); });
  pools_.push_back(pool_);
}

void Allocator::end(Pool& pool) {
  std::lock_guard lock(mutex_);
  pool.ended = true;
  for (auto& [size, blocks] : pool.unused) {
    auto& unused = main_->unused[size];
    unused.insert(unused.end(), blocks.begin(), blocks.end());
  }
  pool.unused.clear();
}

void Allocator::trim() {
  std::lock_guard lock(mutex_);
  trimLocked();
}

void Allocator::trimLocked() {
  driver().cuStreamSynchronize(stream_);
  for (auto& [size, blocks] : main_->unused) {
    for (CUdeviceptr block : blocks) driver().cuMemFree(block);
    statistics_.cached -= size * blocks.size();
  }
  main_->unused.clear();
}

std::string Allocator::report(size_t bytes) const {
  size_t free = 0, total = 0;
  driver().cuMemGetInfo(&free, &total);
  struct Group {
    size_t count = 0, bytes = 0;
  };
  std::map<std::string, Group> groups;
  for (const auto& [block, live] : live_) {
    Group& group = groups[live.workspace ? "workspace" : nameOf(live.dtype, live.shape)];
    ++group.count;
    group.bytes += live.size;
  }
  std::vector<std::pair<std::string, Group>> largest(groups.begin(), groups.end());
  std::stable_sort(largest.begin(), largest.end(),
                   [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });
  largest.resize(std::min<size_t>(largest.size(), 3));
  std::string consumers;
  for (const auto& [name, group] : largest) {
    consumers += (consumers.empty() ? "; the largest consumers are " : ", ") + std::to_string(group.count) + " x " +
                 name + " (" + megabytes(group.bytes) + ")";
  }
  return "the CUDA device cannot allocate " + std::to_string(bytes) + " bytes: " + megabytes(free) + " of " +
         megabytes(total) + " are free, " + megabytes(statistics_.inUse) + " in use by this process's tensors" +
         consumers + "; use a smaller batch or dispose tensors earlier, with tidy() or `using`";
}

MemoryStatistics Allocator::statistics() const {
  std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace spinegrad::cuda
