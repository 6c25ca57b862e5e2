// One block of a grid, run by one OS thread: its fibers, the warps in which they meet, its shared memory.
//
// A fiber runs until it must wait, at a meeting of its warp or at the block's barrier, and then hands over to the next
// one that can go on; which that is follows the order that the settings ask for. When none can go on and not all have
// returned, the block can never end: that is a divergent barrier or a deadlock, and is reported with what each warp
// does.
#pragma once

#include <string>
#include <vector>

#include "native/cuda/runtime/api.h"
#include "simulator/fiber.h"
#include "simulator/runtime.h"
#include "simulator/settings.h"
#include "simulator/sharedMemory.h"

namespace spinegrad::simulator {

struct Grid {
  const Kernel& kernel;
  Index blocks, threads;
  unsigned dynamicShared;
  bool hasAskedForShared;  // by cuFuncSetAttribute
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

  void clear() {
    copies.clear();
    groups.clear();
    uncommitted = 0;
  }
};

/// What lanes of a warp wait for together, and which of them are there already.
struct Gathering {
  uint32_t lanes = 0, arrived = 0;
  const Meeting* meeting = nullptr;
};

/// A warp's fibers, as arrays over its lanes: a switch touches one element of few of them.
struct Warp {
  uint32_t lanes;   // those that exist
  uint32_t canRun;  // those that wait for nothing, without the one that runs
  uint32_t atBarrier, returned;
  Gathering whole;               // of all lanes
  std::vector<Gathering> parts;  // one for each other set of lanes that met so far
  void* stack[32];
  void* operands[32];
  Site site[32];  // where each waits
  Index index[32];
  AsyncCopies async[32];
};

class Block {
 public:
  Block();

  /// Anything but CUDA_SUCCESS has been reported.
  CUresult run(const Grid& grid, Index index);

  void meet(const Meeting& meeting, void* operand, uint32_t lanes, Site site);
  void syncBlock(Site site);

  const Kernel& kernel() const { return grid_->kernel; }
  int lane() const { return lane_; }
  unsigned thread() const { return static_cast<unsigned>((warp_ - warps_.data()) * 32 + lane_); }
  AsyncCopies& async() { return warp_->async[lane_]; }
  SharedMemory& sharedMemory() { return sharedMemory_; }

  /// "kernel `name`, block (x, y, z), thread (x, y, z)" of the fiber that runs, for reports.
  std::string where() const;

  /// Where all of its threads stand, a line for each warp.
  std::string whatWarpsDo() const;

  /// Gives the block up; what is wrong has been reported.
  [[noreturn]] void abandon(CUresult why = CUDA_ERROR_LAUNCH_FAILED);

  /// Whether one of its threads runs, rather than what runs them.
  bool runs() const { return runs_; }
  bool overflowed(const void* address) const { return stacks_.guards(address); }
  void* spareStack() const { return stacks_.spare(); }

 private:
  static void enter();
  void handOver();
  void mayHandOver();
  bool chooseNext();
  uint64_t random();
  __attribute__((noinline)) Gathering& gatheringOf(const Meeting& meeting, uint32_t lanes);
  [[noreturn, gnu::noinline]] void rejectMeeting(const Meeting& meeting, const Meeting& other);
  [[noreturn, gnu::noinline]] void rejectBarrier();
  [[noreturn, gnu::noinline]] void reportStandstill();

  Stacks stacks_;
  SharedMemory sharedMemory_;
  const Grid* grid_ = nullptr;
  std::vector<Warp> warps_;
  Warp* warp_ = nullptr;  // with lane_: the fiber that runs
  int lane_ = 0;
  const Settings::Order order_ = settings().order;
  uint32_t warpsThatCanRun_ = 0;
  unsigned threads_ = 0, returned_ = 0, atBarrier_ = 0;
  Site barrier_;
  void* hostStack_ = nullptr;
  uint64_t randomState_ = 0;
  bool runs_ = false;
  CUresult result_ = CUDA_SUCCESS;
};

/// The block that this OS thread runs.
extern __thread Block* block;

}  // namespace spinegrad::simulator
