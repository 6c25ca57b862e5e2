#include "simulator/grid.h"

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "simulator/checker.h"
#include "simulator/counters.h"
#include "simulator/fault.h"
#include "simulator/report.h"

namespace spinegrad::simulator {
namespace {

std::map<std::string, Kernel>& kernels() {
  static std::map<std::string, Kernel> kernels;
  return kernels;
}

/// A bijection of [0, 2^bits): a Feistel network over the halves, keyed by the seed.
uint64_t shuffled(uint64_t i, int bits, uint64_t seed) {
  const int half = bits / 2;
  const uint64_t mask = (uint64_t{1} << half) - 1;
  uint64_t left = i >> half, right = i & mask;
  for (int round = 0; round < 4; ++round) {
    uint64_t hash = (right + seed * 4 + round + 1) * 0x9e3779b97f4a7c15ull;
    hash ^= hash >> 29;
    const uint64_t next = left ^ ((hash * 0xbf58476d1ce4e5b9ull >> 31) & mask);
    left = right;
    right = next;
  }
  return left << half | right;
}

/// The index of the block that runs as the i-th.
uint64_t blockInOrder(uint64_t i, uint64_t count) {
  switch (settings().order) {
    case Settings::Order::forward:
      return i;
    case Settings::Order::reverse:
      return count - 1 - i;
    case Settings::Order::random:
      break;
  }
  int bits = 2;
  while (uint64_t{1} << bits < count) bits += 2;
  do i = shuffled(i, bits, settings().seed);
  while (i >= count);
  return i;
}

class Run {
 public:
  explicit Run(const Grid& grid) : grid_(grid) {}

  void runBlocks() {
    static thread_local const std::unique_ptr<Block> block = std::make_unique<Block>();
    const uint64_t perRow = grid_.blocks.x, perLayer = perRow * grid_.blocks.y, count = perLayer * grid_.blocks.z;
    catchFaults();
    const Watch watch;
    while (result_ == CUDA_SUCCESS) {
      const uint64_t next = next_++;
      if (next >= count) return;
      const uint64_t i = blockInOrder(next, count);
      const Index index{static_cast<unsigned>(i % perRow), static_cast<unsigned>(i / perRow % grid_.blocks.y),
                        static_cast<unsigned>(i / perLayer)};
      if (const CUresult result = block->run(grid_, index); result != CUDA_SUCCESS) result_ = result;
    }
  }

  CUresult result() const { return result_; }

 private:
  const Grid& grid_;
  std::atomic<uint64_t> next_ = 0;
  std::atomic<CUresult> result_ = CUDA_SUCCESS;
};

/// OS threads that run blocks next to the launching thread. They live as long as the process and are not joined.
class WorkerThreads {
 public:
  explicit WorkerThreads(int count) {
    for (int i = 0; i < count; ++i) std::thread([this] { work(); }).detach();
    count_ = count;
  }

  void run(Run& run) {
    {
      const std::lock_guard lock(mutex_);
      run_ = &run;
      ++generation_;
      busy_ = count_;
    }
    start_.notify_all();
    run.runBlocks();
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (uint64_t seen = 0;;) {
      start_.wait(lock, [&] { return generation_ != seen; });
      seen = generation_;
      Run& run = *run_;
      lock.unlock();
      run.runBlocks();
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable start_, done_;
  Run* run_ = nullptr;
  uint64_t generation_ = 0;
  int count_ = 0, busy_ = 0;
};

}  // namespace

Registration::Registration(const Kernel& kernel) {
  const auto [other, isNew] = kernels().emplace(kernel.name, kernel);
  if (isNew) return;
  report(format("two kernels have the name `%s`: %s and %s", kernel.name, format(other->second.site).c_str(),
                format(kernel.site).c_str()));
  abort();
}

const Kernel* findKernel(const char* name) {
  const auto found = kernels().find(name);
  return found == kernels().end() ? nullptr : &found->second;
}

const char* spinegradSimulatorKernels() {
  static const std::string list = [] {
    std::string list;
    for (const auto& [name, kernel] : kernels()) {
      list += name;
      for (size_t i = 0; i < kernel.parameterCount; ++i)
        list += format(" %zu:%zu", kernel.parameters[i].offset, kernel.parameters[i].size);
      list += '\n';
    }
    return list;
  }();
  return list.c_str();
}

CUresult run(const Grid& grid) {
  checker::startGrid();
  Run run(grid);
  const bool single = grid.blocks.x * grid.blocks.y * grid.blocks.z == 1;
  if (single || settings().threads == 1 || checker::present) {
    run.runBlocks();
  } else {
    static WorkerThreads& workers = *new WorkerThreads(settings().threads - 1);
    workers.run(run);
  }
  counters::endGrid();
  return run.result();
}

}  // namespace spinegrad::simulator
