#include "native/simulator/block.h"

#include <algorithm>

#include "native/simulator/report.h"

__thread spinegrad::simulator::Index threadIdx, blockIdx, blockDim, gridDim;

namespace spinegrad::simulator {

__thread Block* block = nullptr;

Block::Block() : fibers_(1024), warps_(32) {
  for (int i = 0; i < 1024; ++i) {
    fibers_[i].warp = i / 32;
    fibers_[i].lane = i % 32;
  }
}

bool Block::run(const Grid& grid, Index index) {
  block = this;
  grid_ = &grid;
  blockIdx = index;
  blockDim = grid.threads;
  gridDim = grid.blocks;
  threads_ = grid.threads.x * grid.threads.y * grid.threads.z;
  returned_ = atBarrier_ = 0;
  failed_ = false;
  randomState_ = settings().seed ^ ((uint64_t{index.z} << 40) + (uint64_t{index.y} << 20) + index.x);
  sharedMemory_.start(grid.dynamicShared);
  Index thread{0, 0, 0};
  for (unsigned i = 0; i < threads_; ++i) {
    Fiber& fiber = fibers_[i];
    fiber.stack = stacks_.fresh(static_cast<int>(i), enter);
    fiber.index = thread;
    fiber.state = Fiber::State::canRun;
    fiber.async.copies.clear();
    fiber.async.groups.clear();
    fiber.async.uncommitted = 0;
    if (++thread.x == grid.threads.x) {
      thread.x = 0;
      if (++thread.y == grid.threads.y) thread.y = 0, ++thread.z;
    }
  }
  warpsThatCanRun_ = 0;
  for (unsigned first = 0; first < threads_; first += 32) {
    Warp& warp = warps_[first / 32];
    warp.lanes = warp.canRun = threads_ - first >= 32 ? allLanes : (1u << (threads_ - first)) - 1;
    warp.gatherings.clear();
    warpsThatCanRun_ |= 1u << (first / 32);
  }

  running_ = nullptr;
  running_ = nextToRun();
  threadIdx = running_->index;
  spinegradSwitchStack(&hostStack_, running_->stack);

  if (!failed_) {
    if (const std::string damage = sharedMemory_.damage(); !damage.empty()) {
      report(format("write outside of shared memory: %s; kernel `%s`, block %s", damage.c_str(), grid.kernel.name,
                    format(index).c_str()));
      failed_ = true;
    }
  }
  return !failed_;
}

void Block::enter() {
  block->grid_->kernel.call(block->grid_->arguments);
  Fiber& fiber = block->fiber();
  fiber.state = Fiber::State::returned;
  ++block->returned_;
  block->handOver();
}

/// Leaves the running fiber, which waits or has returned.
void Block::handOver() {
  Fiber* const next = nextToRun();
  if (next) {
    switchTo(*next);
  } else if (returned_ == threads_) {
    void* left;
    spinegradSwitchStack(&left, hostStack_);
  } else {
    reportStandstill();
  }
}

void Block::switchTo(Fiber& next) {
  Fiber& from = *running_;
  if (&from == &next) return;
  running_ = &next;
  threadIdx = next.index;
  spinegradSwitchStack(&from.stack, next.stack);
}

void Block::makeReady(const Fiber& fiber) {
  warps_[fiber.warp].canRun |= 1u << fiber.lane;
  warpsThatCanRun_ |= 1u << fiber.warp;
}

namespace {
/// The set bit that comes first: the lowest, the highest, or a random one.
int pick(uint32_t bits, Settings::Order order, uint64_t random) {
  if (order == Settings::Order::forward) return __builtin_ctz(bits);
  if (order == Settings::Order::reverse) return 31 - __builtin_clz(bits);
  for (int skip = static_cast<int>(random % static_cast<unsigned>(__builtin_popcount(bits))); skip > 0; --skip)
    bits &= bits - 1;
  return __builtin_ctz(bits);
}
}  // namespace

Fiber* Block::nextToRun() {
  if (!warpsThatCanRun_) return nullptr;
  const Settings::Order order = settings().order;
  const bool isRandom = order == Settings::Order::random;
  // A warp goes on as long as one of its lanes can, as that is the fastest; unless anything may happen.
  int warp = running_ ? running_->warp : 0;
  if (isRandom || !(warpsThatCanRun_ >> warp & 1)) warp = pick(warpsThatCanRun_, order, isRandom ? random() : 0);
  uint32_t& canRun = warps_[warp].canRun;
  const int lane = pick(canRun, order, isRandom ? random() : 0);
  canRun &= ~(1u << lane);
  if (!canRun) warpsThatCanRun_ &= ~(1u << warp);
  return &fibers_[warp * 32 + lane];
}

uint64_t Block::random() {  // SplitMix64
  uint64_t z = randomState_ += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

void Block::meet(const Meeting& meeting, void* operand, uint32_t lanes, Site site) {
  Fiber& me = *running_;
  Warp& warp = warps_[me.warp];
  const uint32_t mine = 1u << me.lane;
  if (lanes == allLanes) lanes = warp.lanes;  // the mask that everyone writes, also where the last warp is not full
  if (!(lanes & mine) || lanes & ~warp.lanes) {
    report(format("%s with lanes %08x, %s, at %s; %s", meeting.name, lanes,
                  lanes & mine ? "of which some do not exist" : "without the lane that calls it", format(site).c_str(),
                  where().c_str()));
    abandon();
  }
  auto gathering = std::find_if(warp.gatherings.begin(), warp.gatherings.end(),
                                [lanes](const Warp::Gathering& g) { return g.lanes == lanes; });
  if (gathering == warp.gatherings.end()) gathering = warp.gatherings.insert(gathering, {lanes, 0, nullptr});
  me.site = site;
  me.meeting = &meeting;
  me.meetingLanes = lanes;
  me.state = Fiber::State::meets;
  if (gathering->arrived && gathering->meeting != &meeting) {
    report(format("lanes of a warp meet for different things: %s and %s; %s\n%s", gathering->meeting->name,
                  meeting.name, where().c_str(), whatWarpsDo().c_str()));
    abandon();
  }
  gathering->meeting = &meeting;
  gathering->arrived |= mine;
  warp.operands[me.lane] = operand;
  if (gathering->arrived != lanes) {
    handOver();
    return;
  }
  gathering->arrived = 0;
  meeting.run(warp.operands, lanes, site);
  for (uint32_t rest = lanes; rest; rest &= rest - 1)
    fibers_[me.warp * 32 + __builtin_ctz(rest)].state = Fiber::State::canRun;
  warp.canRun |= lanes & ~mine;
  if (warp.canRun) warpsThatCanRun_ |= 1u << me.warp;
  if (settings().order == Settings::Order::random) {
    makeReady(me);
    handOver();
  }
}

void Block::syncBlock(Site site) {
  Fiber& me = *running_;
  me.site = site;
  me.state = Fiber::State::atBarrier;
  if (++atBarrier_ < threads_) {
    handOver();
    return;
  }
  atBarrier_ = 0;
  for (unsigned i = 0; i < threads_; ++i) {
    const Fiber& other = fibers_[i];
    if (other.site.line != site.line || strcmp(other.site.file, site.file) != 0) {
      report(format("divergent barrier: threads of one block wait at different __syncthreads(); %s\n%s",
                    where().c_str(), whatWarpsDo().c_str()));
      abandon();
    }
  }
  for (unsigned i = 0; i < threads_; ++i) {
    fibers_[i].state = Fiber::State::canRun;
    if (&fibers_[i] != &me) makeReady(fibers_[i]);
  }
  if (settings().order == Settings::Order::random) {
    makeReady(me);
    handOver();
  }
}

void Block::reportStandstill() {
  report(
      format("%s: no thread can go on; kernel `%s`, block %s\n%s",
             atBarrier_ ? "divergent barrier: some threads wait at __syncthreads() and others never come" : "deadlock",
             grid_->kernel.name, format(blockIdx).c_str(), whatWarpsDo().c_str()));
  abandon();
}

std::string Block::whatWarpsDo() const {
  std::string text;
  const auto doing = [](const Fiber& fiber) -> std::string {
    switch (fiber.state) {
      case Fiber::State::returned:
        return "returned";
      case Fiber::State::atBarrier:
        return "at __syncthreads(), " + format(fiber.site);
      case Fiber::State::meets:
        return format("at %s of lanes %08x, ", fiber.meeting->name, fiber.meetingLanes) + format(fiber.site);
      case Fiber::State::canRun:
        return "running";
    }
    return {};
  };
  for (unsigned first = 0; first < threads_; first += 32) {
    text += format("  warp %u:", first / 32);
    const unsigned end = std::min(threads_, first + 32);
    for (unsigned from = first, to; from < end; from = to) {
      const std::string what = doing(fibers_[from]);
      for (to = from + 1; to < end && doing(fibers_[to]) == what;) ++to;
      text += format("%s lanes %u-%u %s", from == first ? "" : ";", from - first, to - first - 1, what.c_str());
    }
    text += '\n';
  }
  text.pop_back();
  return text;
}

std::string Block::where() const { return where(*running_); }

std::string Block::where(const Fiber& fiber) const {
  return format("kernel `%s`, block %s, thread %s", grid_->kernel.name, format(blockIdx).c_str(),
                format(fiber.index).c_str());
}

void Block::abandon() {
  failed_ = true;
  void* left;
  spinegradSwitchStack(&left, hostStack_);
  __builtin_unreachable();
}

void meet(const Meeting& meeting, void* operand, uint32_t lanes, Site site) {
  block->meet(meeting, operand, lanes, site);
}

void syncBlock(Site site) { block->syncBlock(site); }

int lane() { return block->fiber().lane; }

}  // namespace spinegrad::simulator
