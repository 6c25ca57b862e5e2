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
  sharedMemory_.start(grid.dynamicShared, grid.hasAskedForShared);

  warpsThatCanRun_ = 0;
  Index thread{0, 0, 0};
  for (unsigned i = 0; i < threads_; ++i) {
    Warp& warp = warps_[i / 32];
    const unsigned lane = i % 32;
    if (lane == 0) {
      warp.lanes = warp.canRun = threads_ - i >= 32 ? allLanes : (1u << (threads_ - i)) - 1;
      warp.atBarrier = warp.returned = 0;
      warp.whole = {warp.lanes, 0, nullptr};
      warp.parts.clear();
      warpsThatCanRun_ |= 1u << (i / 32);
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
  chooseNext();
  runs_ = true;
  spinegradSwitchStack(&hostStack_, warp_->stack[lane_]);
  runs_ = false;
  for (size_t i = 0; i < (threads_ + 31) / 32; ++i) counters::together(static_cast<int>(i));
  if (checker::report() && result_ == CUDA_SUCCESS) result_ = CUDA_ERROR_LAUNCH_FAILED;

  if (result_ == CUDA_SUCCESS) {
    if (const std::string damage = sharedMemory_.damage(); !damage.empty()) {
      report(format("write outside of shared memory: %s; kernel `%s`, block %s", damage.c_str(), grid.kernel.name,
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
  block->handOver();
}

/// Leaves the fiber that runs, which waits or has returned.
inline void Block::handOver() {
  void** const from = &warp_->stack[lane_];
  if (chooseNext()) {
    void* const to = warp_->stack[lane_];
    if (from != &warp_->stack[lane_]) spinegradSwitchStack(from, to);
  } else if (returned_ == threads_) {
    spinegradSwitchStack(from, hostStack_);
  } else {
    reportStandstill();
  }
}

/// The fiber that runs could go on; where the order is random another may come first.
inline void Block::mayHandOver() {
  if (order_ != Settings::Order::random) return;
  warp_->canRun |= 1u << lane_;
  warpsThatCanRun_ |= 1u << (warp_ - warps_.data());
  handOver();
}

namespace {
/// The set bit that comes first: the lowest, the highest, or a random one.
inline int pick(uint32_t bits, Settings::Order order, uint64_t random) {
  if (order == Settings::Order::forward) return __builtin_ctz(bits);
  if (order == Settings::Order::reverse) return 31 - __builtin_clz(bits);
  for (int skip = static_cast<int>(random % static_cast<unsigned>(__builtin_popcount(bits))); skip > 0; --skip)
    bits &= bits - 1;
  return __builtin_ctz(bits);
}
}  // namespace

/// Makes another fiber the one that runs. A warp goes on as long as one of its lanes can, as that is the fastest;
/// unless the order is random.
inline bool Block::chooseNext() {
  const bool isRandom = order_ == Settings::Order::random;
  if (isRandom || !warp_->canRun) {
    if (!warpsThatCanRun_) return false;
    warp_ = &warps_[static_cast<size_t>(pick(warpsThatCanRun_, order_, isRandom ? random() : 0))];
  }
  lane_ = pick(warp_->canRun, order_, isRandom ? random() : 0);
  warp_->canRun &= ~(1u << lane_);
  if (warp_->canRun) {
    const char* const soon = static_cast<const char*>(warp_->stack[pick(warp_->canRun, order_, 0)]);
    for (int line = 0; line < 4; ++line) __builtin_prefetch(soon + 64 * line);
  } else {
    warpsThatCanRun_ &= ~(1u << (warp_ - warps_.data()));
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

// What is rare stands in functions of its own: the frame of meet() lies on each fiber's stack while it waits, and the
// stacks of a warp should fit into the cache.
void Block::meet(const Meeting& meeting, void* operand, uint32_t lanes, Site site) {
  Warp& warp = *warp_;
  const uint32_t mine = 1u << lane_;
  warp.site[lane_] = site;
  warp.operands[lane_] = operand;
  if (lanes == allLanes) lanes = warp.lanes;  // the mask that everyone writes, also where the last warp is not full
  Gathering& gathering = lanes == warp.lanes ? warp.whole : gatheringOf(meeting, lanes);
  if (gathering.arrived && gathering.meeting != &meeting) rejectMeeting(meeting, *gathering.meeting);
  gathering.meeting = &meeting;
  gathering.arrived |= mine;
  if (gathering.arrived != lanes) {
    handOver();
    return;
  }
  gathering.arrived = 0;
  counters::met(meeting, operand);
  if (lanes == warp.lanes) counters::together(static_cast<int>(warp_ - warps_.data()));
  meeting.run(warp.operands, lanes, site);
  if (&meeting == &syncWarp) checker::syncLanes(static_cast<int>(warp_ - warps_.data()), lanes);
  warp.canRun |= lanes & ~mine;
  if (warp.canRun) warpsThatCanRun_ |= 1u << (warp_ - warps_.data());
  mayHandOver();
}

Gathering& Block::gatheringOf(const Meeting& meeting, uint32_t lanes) {
  Warp& warp = *warp_;
  const bool isMine = lanes >> lane_ & 1;
  if (!isMine || lanes & ~warp.lanes) {
    report(format("%s with lanes %08x, %s, at %s; %s", meeting.name, lanes,
                  isMine ? "of which some do not exist" : "without the lane that calls it",
                  format(warp.site[lane_]).c_str(), where().c_str()));
    abandon();
  }
  for (Gathering& part : warp.parts)
    if (part.lanes == lanes) return part;
  return warp.parts.emplace_back(Gathering{lanes, 0, nullptr});
}

void Block::rejectMeeting(const Meeting& meeting, const Meeting& other) {
  report(format("lanes of a warp meet for different things: %s, and here %s at %s; %s\n%s", other.name, meeting.name,
                format(warp_->site[lane_]).c_str(), where().c_str(), whatWarpsDo().c_str()));
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
    handOver();
    return;
  }
  atBarrier_ = 0;
  checker::syncBlock();
  counters::barrier();
  for (size_t i = 0; i < (threads_ + 31) / 32; ++i) counters::together(static_cast<int>(i));
  for (size_t i = 0; i < (threads_ + 31) / 32; ++i) {
    warps_[i].canRun = warps_[i].atBarrier;
    warps_[i].atBarrier = 0;
    warpsThatCanRun_ |= 1u << i;
  }
  warp_->canRun &= ~(1u << lane_);
  if (!warp_->canRun) warpsThatCanRun_ &= ~(1u << (warp_ - warps_.data()));
  mayHandOver();
}

void Block::rejectBarrier() {
  report(format("divergent barrier: threads of one block wait at different __syncthreads(); %s\n%s", where().c_str(),
                whatWarpsDo().c_str()));
  abandon();
}

void Block::reportStandstill() {
  report(format("%s; kernel `%s`, block %s\n%s",
                atBarrier_ ? "divergent barrier: some threads wait at __syncthreads() and others never come"
                           : "deadlock: no thread can go on",
                grid_->kernel.name, format(blockIdx).c_str(), whatWarpsDo().c_str()));
  abandon();
}

std::string Block::whatWarpsDo() const {
  std::string text;
  for (size_t i = 0; i < (threads_ + 31) / 32; ++i) {
    const Warp& warp = warps_[i];
    const auto doing = [&](int lane) -> std::string {
      const uint32_t bit = 1u << lane;
      if (warp.returned & bit) return "returned";
      if (warp.atBarrier & bit) return "at __syncthreads(), " + format(warp.site[lane]);
      const auto waitsFor = [&](const Gathering& gathering) {
        return format("at %s of lanes %08x, ", gathering.meeting->name, gathering.lanes) + format(warp.site[lane]);
      };
      if (warp.whole.arrived & bit) return waitsFor(warp.whole);
      for (const Gathering& part : warp.parts)
        if (part.arrived & bit) return waitsFor(part);
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

void meet(const Meeting& meeting, void* operand, uint32_t lanes, Site site) {
  block->meet(meeting, operand, lanes, site);
}

void syncBlock(Site site) { block->syncBlock(site); }

int lane() { return block->lane(); }

}  // namespace spinegrad::simulator
