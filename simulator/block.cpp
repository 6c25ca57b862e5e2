#include "simulator/block.h"

#include "simulator/checker.h"
#include "simulator/counters.h"
#include "simulator/report.h"

__thread spinegrad::simulator::Index threadIdx, blockIdx, blockDim, gridDim;

namespace spinegrad::simulator {

__thread Block* block = nullptr;

Block::Block() : warps_(32) {}

CUresult Block::run(const Grid& grid, Index index) {
  block = this;
  grid_ = &grid;
  blockIdx = index;
  blockDim = grid.threads;
  gridDim = grid.blocks;
  threads_ = grid.threads.x * grid.threads.y * grid.threads.z;
  returned_ = atBarrier_ = 0;
  result_ = CUDA_SUCCESS;
  randomState_ = settings().seed ^ ((uint64_t{index.z} << 40) + (uint64_t{index.y} << 20) + index.x);
  counters::startBlock();
  checker::startBlock(sharedMemory_.begin(), SharedMemory::capacity);
  sharedMemory_.start(grid.dynamicShared, grid.optedInShared);

  runnableWarps_ = 0;
  Index thread{0, 0, 0};
  for (unsigned i = 0; i < threads_; ++i) {
    Warp& warp = warps_[i / 32];
    const unsigned lane = i % 32;
    if (lane == 0) {
      warp.lanes = warp.runnable = threads_ - i >= 32 ? allLanes : (1u << (threads_ - i)) - 1;
      warp.atBarrier = warp.returned = 0;
      warp.fullMask = {warp.lanes, 0, nullptr};
      warp.partialMasks.clear();
      runnableWarps_ |= 1u << (i / 32);
    }
    warp.stack[lane] = stacks_.fresh(static_cast<int>(i), enter);
    warp.index[lane] = thread;
    warp.async[lane].clear();
    if (++thread.x == grid.threads.x) {
      thread.x = 0;
      if (++thread.y == grid.threads.y) thread.y = 0, ++thread.z;
    }
  }

  warp_ = &warps_[0];
  selectNext();
  isRunning_ = true;
  spinegradSwitchStack(&hostStack_, warp_->stack[lane_]);
  isRunning_ = false;
  for (size_t i = 0; i < (threads_ + 31) / 32; ++i) counters::converged(static_cast<int>(i));
  if (checker::report() && result_ == CUDA_SUCCESS) result_ = CUDA_ERROR_LAUNCH_FAILED;

  if (result_ == CUDA_SUCCESS) {
    if (const std::string damage = sharedMemory_.damage(); !damage.empty()) {
      report(format("write outside shared memory: %s; kernel `%s`, block %s", damage.c_str(), grid.kernel.name,
                    format(index).c_str()));
      result_ = CUDA_ERROR_ILLEGAL_ADDRESS;
    }
  }
  return result_;
}

void Block::enter() {
  block->grid_->kernel.call(block->grid_->arguments);
  block->warp_->returned |= 1u << block->lane_;
  ++block->returned_;
  block->yield();
}

/// Switches away from the current fiber, which waits or has returned.
inline void Block::yield() {
  void** const from = &warp_->stack[lane_];
  if (selectNext()) {
    void* const to = warp_->stack[lane_];
    if (from != &warp_->stack[lane_]) spinegradSwitchStack(from, to);
  } else if (returned_ == threads_) {
    spinegradSwitchStack(from, hostStack_);
  } else {
    reportDeadlock();
  }
}

/// Switches to another fiber in random order, although the current one could continue.
inline void Block::maybeYield() {
  if (order_ != Settings::Order::random) return;
  warp_->runnable |= 1u << lane_;
  runnableWarps_ |= 1u << (warp_ - warps_.data());
  yield();
}

namespace {
/// Selects a set bit: the lowest, the highest, or a random one.
inline int pick(uint32_t bits, Settings::Order order, uint64_t random) {
  if (order == Settings::Order::forward) return __builtin_ctz(bits);
  if (order == Settings::Order::reverse) return 31 - __builtin_clz(bits);
  for (int skip = static_cast<int>(random % static_cast<unsigned>(__builtin_popcount(bits))); skip > 0; --skip)
    bits &= bits - 1;
  return __builtin_ctz(bits);
}
}  // namespace

/// Selects the next fiber. Unless the order is random, a warp continues as long as one of its lanes can, which is
/// fastest.
inline bool Block::selectNext() {
  const bool isRandom = order_ == Settings::Order::random;
  if (isRandom || !warp_->runnable) {
    if (!runnableWarps_) return false;
    warp_ = &warps_[static_cast<size_t>(pick(runnableWarps_, order_, isRandom ? random() : 0))];
  }
  lane_ = pick(warp_->runnable, order_, isRandom ? random() : 0);
  warp_->runnable &= ~(1u << lane_);
  if (warp_->runnable) {
    const char* const soon = static_cast<const char*>(warp_->stack[pick(warp_->runnable, order_, 0)]);
    for (int line = 0; line < 4; ++line) __builtin_prefetch(soon + 64 * line);
  } else {
    runnableWarps_ &= ~(1u << (warp_ - warps_.data()));
  }
  threadIdx = warp_->index[lane_];
  return true;
}

uint64_t Block::random() {  // SplitMix64
  uint64_t z = randomState_ += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// Rare cases are separate functions: the frame of joinCollective() stays on the stack of each waiting fiber, and the
// stacks of a warp should fit into the cache.
void Block::joinCollective(const Collective& collective, void* operand, uint32_t lanes, Site site) {
  Warp& warp = *warp_;
  const uint32_t mine = 1u << lane_;
  warp.site[lane_] = site;
  warp.operands[lane_] = operand;
  if (lanes == allLanes) lanes = warp.lanes;  // the full mask is also used in an incomplete warp
  PendingCollective& pending = lanes == warp.lanes ? warp.fullMask : pendingFor(collective, lanes);
  if (pending.arrived && pending.collective != &collective) rejectCollective(collective, *pending.collective);
  pending.collective = &collective;
  pending.arrived |= mine;
  if (pending.arrived != lanes) {
    yield();
    return;
  }
  pending.arrived = 0;
  counters::countCollective(collective, operand);
  if (lanes == warp.lanes) counters::converged(static_cast<int>(warp_ - warps_.data()));
  collective.run(warp.operands, lanes, site);
  if (&collective == &syncWarp) checker::syncLanes(static_cast<int>(warp_ - warps_.data()), lanes);
  warp.runnable |= lanes & ~mine;
  if (warp.runnable) runnableWarps_ |= 1u << (warp_ - warps_.data());
  maybeYield();
}

PendingCollective& Block::pendingFor(const Collective& collective, uint32_t lanes) {
  Warp& warp = *warp_;
  const bool isMine = lanes >> lane_ & 1;
  if (!isMine || lanes & ~warp.lanes) {
    report(format("%s with mask %08x, %s, at %s; %s", collective.name, lanes,
                  isMine ? "some of which do not exist" : "which does not include the calling lane",
                  format(warp.site[lane_]).c_str(), where().c_str()));
    abandon();
  }
  for (PendingCollective& pending : warp.partialMasks)
    if (pending.lanes == lanes) return pending;
  return warp.partialMasks.emplace_back(PendingCollective{lanes, 0, nullptr});
}

void Block::rejectCollective(const Collective& collective, const Collective& other) {
  report(format("lanes of a warp call different collectives: %s, but %s at %s; %s\n%s", other.name, collective.name,
                format(warp_->site[lane_]).c_str(), where().c_str(), describeWarps().c_str()));
  abandon();
}

void Block::syncBlock(Site site) {
  warp_->site[lane_] = site;
  warp_->atBarrier |= 1u << lane_;
  if (atBarrier_ == 0) {
    barrier_ = site;
  } else if (barrier_.line != site.line || (barrier_.file != site.file && strcmp(barrier_.file, site.file) != 0)) {
    rejectBarrier();
  }
  if (++atBarrier_ < threads_) {
    yield();
    return;
  }
  atBarrier_ = 0;
  checker::syncBlock();
  counters::barrier();
  for (size_t i = 0; i < (threads_ + 31) / 32; ++i) counters::converged(static_cast<int>(i));
  for (size_t i = 0; i < (threads_ + 31) / 32; ++i) {
    warps_[i].runnable = warps_[i].atBarrier;
    warps_[i].atBarrier = 0;
    runnableWarps_ |= 1u << i;
  }
  warp_->runnable &= ~(1u << lane_);
  if (!warp_->runnable) runnableWarps_ &= ~(1u << (warp_ - warps_.data()));
  maybeYield();
}

void Block::rejectBarrier() {
  report(format("divergent barrier: threads of one block wait at different __syncthreads(); %s\n%s", where().c_str(),
                describeWarps().c_str()));
  abandon();
}

void Block::reportDeadlock() {
  report(format("%s; kernel `%s`, block %s\n%s",
                atBarrier_ ? "divergent barrier: some threads wait at __syncthreads() and others never reach it"
                           : "deadlock: no thread can continue",
                grid_->kernel.name, format(blockIdx).c_str(), describeWarps().c_str()));
  abandon();
}

std::string Block::describeWarps() const {
  std::string text;
  for (size_t i = 0; i < (threads_ + 31) / 32; ++i) {
    const Warp& warp = warps_[i];
    const auto doing = [&](int lane) -> std::string {
      const uint32_t bit = 1u << lane;
      if (warp.returned & bit) return "returned";
      if (warp.atBarrier & bit) return "at __syncthreads(), " + format(warp.site[lane]);
      const auto waitsFor = [&](const PendingCollective& pending) {
        return format("at %s with mask %08x, ", pending.collective->name, pending.lanes) + format(warp.site[lane]);
      };
      if (warp.fullMask.arrived & bit) return waitsFor(warp.fullMask);
      for (const PendingCollective& pending : warp.partialMasks)
        if (pending.arrived & bit) return waitsFor(pending);
      return "running";
    };
    text += format("  warp %zu:", i);
    const int end = 32 - __builtin_clz(warp.lanes);
    for (int from = 0, to; from < end; from = to) {
      const std::string what = doing(from);
      for (to = from + 1; to < end && doing(to) == what;) ++to;
      const std::string lanes = to - from == 1 ? format("lane %d", from) : format("lanes %d-%d", from, to - 1);
      text += (from ? "; " : " ") + lanes + " " + what;
    }
    text += '\n';
  }
  text.pop_back();
  return text;
}

std::string Block::where() const {
  return format("kernel `%s`, block %s, thread %s", grid_->kernel.name, format(blockIdx).c_str(),
                format(warp_->index[lane_]).c_str());
}

void Block::abandon(CUresult why) {
  result_ = why;
  void* left;
  spinegradSwitchStack(&left, hostStack_);
  __builtin_unreachable();
}

void joinCollective(const Collective& collective, void* operand, uint32_t lanes, Site site) {
  block->joinCollective(collective, operand, lanes, site);
}

void syncBlock(Site site) { block->syncBlock(site); }

int lane() { return block->lane(); }

}  // namespace spinegrad::simulator
