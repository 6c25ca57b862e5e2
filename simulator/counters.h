// What a kernel asks of the memories, request by request, as a multiprocessor would see it.
// SPINEGRAD_SIMULATOR_TRACE=FILE makes the checked build append one line of JSON to FILE for each grid: npm run
// trace:kernels.
//
// A request is one instruction of one warp. Its lanes run one after the other here, so their accesses are put together
// afterwards: the n-th time that a lane comes to an instruction belongs to the n-th time of the others, and all is
// counted when the warp meets or ends. A request for global memory takes as many sectors of 32 bytes as it touches. One
// for shared memory takes a pass for each 4-byte word of the bank that most lanes want different words of, 8 lanes at a
// time for 16 bytes, 16 for 8 bytes; passes beyond what the bytes need are bank conflicts.
#pragma once

#include "simulator/checker.h"

namespace spinegrad::simulator::counters {

enum Kind {
  globalLoad,
  globalStore,
  globalAtomic,
  globalCopy,  // the one side of a cp.async
  sharedLoad,
  sharedStore,
  sharedAtomic,
  sharedCopy,  // the other
  ldmatrixRow,
  kinds
};

#if defined(SPINEGRAD_CHECKED)

/// By a lane of the warp that runs.
void access(Kind kind, int lane, const void* address, size_t bytes, checker::Location location);
void met(const Meeting& meeting, const void* operand);
void barrier();
/// All lanes of a warp are at the same place.
void together(int warp);
void startBlock();
void endGrid();

#else

inline void access(Kind, int, const void*, size_t, checker::Location) {}
inline void met(const Meeting&, const void*) {}
inline void barrier() {}
inline void together(int) {}
inline void startBlock() {}
inline void endGrid() {}

#endif

}  // namespace spinegrad::simulator::counters
