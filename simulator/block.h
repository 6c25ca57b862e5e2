// One block of a grid, executed by one OS thread: its fibers, its warps and its shared memory.
//
// A fiber runs until it waits at a collective of its warp or at the barrier of the block, and then yields to the next
// runnable fiber; the setting ORDER determines which one. If no fiber is runnable and not all have returned, the block
// is in a deadlock or at a divergent barrier, which is reported with the state of each warp.
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
  bool optedInShared;  // by cuFuncSetAttribute
  void** arguments;
};

struct AsyncCopy {
  void* to;
  const void* from;
  unsigned bytes;
  bool valid;
  Site site;
};

/// The incomplete cp.async copies of a thread, oldest first, and the number of copies in each committed group.
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

/// A collective that lanes of a warp wait in, and the lanes that have arrived.
struct PendingCollective {
  uint32_t lanes = 0, arrived = 0;
  const Collective* collective = nullptr;
};

/// The fibers of a warp, as arrays over its lanes so that a switch touches few cache lines.
struct Warp {
  uint32_t lanes;     // the lanes that exist
  uint32_t runnable;  // the lanes that do not wait, without the current one
  uint32_t atBarrier, returned;
  PendingCollective fullMask;                   // the collective of all lanes
  std::vector<PendingCollective> partialMasks;  // one per other mask used so far
  void* stack[32];
  void* operands[32];
  Site site[32];  // where each lane waits
  Index index[32];
  AsyncCopies async[32];
};

class Block {
 public:
  Block();

  /// Runs one block. Any result but CUDA_SUCCESS has been reported.
  CUresult run(const Grid& grid, Index index);

  void joinCollective(const Collective& collective, void* operand, uint32_t lanes, Site site);
  void syncBlock(Site site);

  const Kernel& kernel() const { return grid_->kernel; }
  int lane() const { return lane_; }
  unsigned thread() const { return static_cast<unsigned>((warp_ - warps_.data()) * 32 + lane_); }
  AsyncCopies& async() { return warp_->async[lane_]; }
  SharedMemory& sharedMemory() { return sharedMemory_; }

  /// "kernel `name`, block (x, y, z), thread (x, y, z)" of the current fiber, for reports.
  std::string where() const;

  /// The state of all threads, one line per warp.
  std::string describeWarps() const;

  /// Ends the block after an error has been reported.
  [[noreturn]] void abandon(CUresult why = CUDA_ERROR_LAUNCH_FAILED);

  /// Whether the caller is on a fiber, that is, in kernel code.
  bool isRunning() const { return isRunning_; }
  bool isStackOverflow(const void* address) const { return stacks_.guards(address); }
  void* spareStack() const { return stacks_.spare(); }

 private:
  static void enter();
  void yield();
  void maybeYield();
  bool selectNext();
  uint64_t random();
  __attribute__((noinline)) PendingCollective& pendingFor(const Collective& collective, uint32_t lanes);
  [[noreturn, gnu::noinline]] void rejectCollective(const Collective& collective, const Collective& other);
  [[noreturn, gnu::noinline]] void rejectBarrier();
  [[noreturn, gnu::noinline]] void reportDeadlock();

  Stacks stacks_;
  SharedMemory sharedMemory_;
  const Grid* grid_ = nullptr;
  std::vector<Warp> warps_;
  Warp* warp_ = nullptr;  // with lane_: the current fiber
  int lane_ = 0;
  const Settings::Order order_ = settings().order;
  uint32_t runnableWarps_ = 0;
  unsigned threads_ = 0, returned_ = 0, atBarrier_ = 0;
  Site barrier_;
  void* hostStack_ = nullptr;
  uint64_t randomState_ = 0;
  bool isRunning_ = false;
  CUresult result_ = CUDA_SUCCESS;
};

/// The block of this OS thread.
extern __thread Block* block;

}  // namespace spinegrad::simulator
