// One block of a grid, run by one OS thread: its fibers, the warps in which they meet, its shared memory.
//
// A fiber runs until it must wait, at a meeting of its warp or at the block's barrier, and then hands over to the next
// one that can go on; which that is follows the order that the settings ask for. When none can go on and not all have
// returned, the block can never end: that is a divergent barrier or a deadlock, and is reported with what each warp
// does.
#pragma once

#include <string>
#include <vector>

#include "native/simulator/dialect.h"
#include "native/simulator/fiber.h"
#include "native/simulator/settings.h"
#include "native/simulator/sharedMemory.h"

namespace spinegrad::simulator {

struct Grid {
  const Kernel& kernel;
  Index blocks, threads;
  unsigned dynamicShared;
  void** arguments;
};

struct AsyncCopy {
  void* to;
  const void* from;
  unsigned bytes;
  bool valid;
  Site site;
};

/// A thread's cp.async copies that have not landed, oldest first, and how many of them each committed group holds.
struct AsyncCopies {
  std::vector<AsyncCopy> copies;
  std::vector<size_t> groups;
  size_t uncommitted = 0;
};

struct Fiber {
  enum class State : uint8_t { canRun, meets, atBarrier, returned };

  void* stack;
  Index index;
  int lane, warp;
  State state;
  Site site;               // where it waits
  const Meeting* meeting;  // for which
  uint32_t meetingLanes;
  AsyncCopies async;
};

struct Warp {
  struct Gathering {
    uint32_t lanes = 0, arrived = 0;
    const Meeting* meeting = nullptr;
  };

  uint32_t lanes = 0;                 // those that exist
  uint32_t canRun = 0;                // those that wait for nothing, without the one that runs
  void* operands[32];                 // what the waiting lanes brought
  std::vector<Gathering> gatherings;  // one for each set of lanes that met so far
};

class Block {
 public:
  Block();

  /// False if the block failed, which has been reported.
  bool run(const Grid& grid, Index index);

  void meet(const Meeting& meeting, void* operand, uint32_t lanes, Site site);
  void syncBlock(Site site);

  Fiber& fiber() { return *running_; }
  const Grid& grid() const { return *grid_; }
  SharedMemory& sharedMemory() { return sharedMemory_; }

  /// "kernel `name`, block (x, y, z), thread (x, y, z)": for reports.
  std::string where() const;
  std::string where(const Fiber& fiber) const;

  /// Gives the block up; what is wrong has been reported.
  [[noreturn]] void abandon();

 private:
  static void enter();
  void handOver();
  void switchTo(Fiber& next);
  Fiber* nextToRun();
  void makeReady(const Fiber& fiber);
  uint64_t random();
  [[noreturn]] void reportStandstill();
  std::string whatWarpsDo() const;

  Stacks stacks_;
  SharedMemory sharedMemory_;
  const Grid* grid_ = nullptr;
  std::vector<Fiber> fibers_;
  std::vector<Warp> warps_;
  uint32_t warpsThatCanRun_ = 0;
  unsigned threads_ = 0, returned_ = 0, atBarrier_ = 0;
  Fiber* running_ = nullptr;
  void* hostStack_ = nullptr;
  uint64_t randomState_ = 0;
  bool failed_ = false;
};

/// The block that this OS thread runs.
extern __thread Block* block;

}  // namespace spinegrad::simulator
