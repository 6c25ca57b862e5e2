// Counts the memory requests of a kernel as a multiprocessor would execute them. If SPINEGRAD_SIMULATOR_TRACE=FILE is
// set, the checked build appends one line of JSON to FILE for each grid: npm run trace:kernels.
//
// A request is one instruction of one warp. Lanes run one after the other, so their accesses are merged afterwards: the
// n-th execution of an instruction by each lane is one request, counted when the warp converges or ends. A global
// request takes as many sectors of 32 bytes as it touches. A shared request takes as many passes as its busiest bank
// has distinct 4-byte words, for groups of 8 lanes at 16 bytes and 16 lanes at 8 bytes; passes beyond those that the
// bytes need are bank conflicts.
#pragma once

#include "simulator/checker.h"

namespace spinegrad::simulator::counters {

enum Kind {
  globalLoad,
  globalStore,
  globalAtomic,
  globalCopy,  // source of a cp.async
  sharedLoad,
  sharedStore,
  sharedAtomic,
  sharedCopy,  // target of a cp.async
  ldmatrixRow,
  kinds
};

#if defined(SPINEGRAD_CHECKED)

/// An access by a lane of the current warp.
void access(Kind kind, int lane, const void* address, size_t bytes, checker::Location location);
void countCollective(const Collective& collective, const void* operand);
void barrier();
/// All lanes of a warp are at the same instruction.
void converged(int warp);
void startBlock();
void endGrid();

#else

inline void access(Kind, int, const void*, size_t, checker::Location) {}
inline void countCollective(const Collective&, const void*) {}
inline void barrier() {}
inline void converged(int) {}
inline void startBlock() {}
inline void endGrid() {}

#endif

}  // namespace spinegrad::simulator::counters
