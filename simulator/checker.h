// Finds races, accesses out of bounds, and reads of memory that was never written: errors that hardware shows rarely or
// not at all. Only the checked build contains it (cmake -DSPINEGRAD_CHECKED=ON), in which clang compiles the kernels
// with -fsanitize=thread and every load and store calls the checker (tsan.cpp).
//
// Each byte of device memory and of shared memory has a state: not allocated, never written, written, or pending from a
// cp.async. Each word has records of its last accesses. Two accesses, at least one a write, are a race unless they are
// ordered: by the end of a kernel, by __syncthreads() for threads of one block, or by __syncwarp() for the lanes in its
// mask. Blocks of one grid are unordered, and atomics race with everything but atomics. Shuffles, votes and mma do not
// order memory, as in CUDA.
//
// A block has a clock that ticks at every synchronization. Per pair of threads the checker stores the tick of their
// last synchronization: of the block, of the warp, or per lane for a partial __syncwarp().
#pragma once

#include <cstddef>

#include "simulator/runtime.h"

namespace spinegrad::simulator::checker {

/// The source of an access: an instruction, or a call of a function of the dialect.
struct Location {
  uint32_t code = 0;
};

enum class Access : uint8_t { read, write, atomic };

#if defined(SPINEGRAD_CHECKED)

constexpr bool present = true;

Location at(const void* instruction);
Location at(Site site);

/// An access by the current thread, or by `lane` of its warp.
void access(Access kind, const void* address, size_t bytes, Location location);
void accessOf(int lane, Access kind, const void* address, size_t bytes, Location location);
/// A cp.async is issued or completes.
void copyIssued(void* shared, size_t bytes, Location location);
void copyCompleted(void* shared, size_t bytes, Location location);

void startGrid();
void startBlock(const void* sharedMemory, size_t bytes);
void syncBlock();
void syncLanes(int warp, uint32_t lanes);
/// Reports the findings since the last call. Returns whether there were any.
bool report();

/// Allocations and host accesses.
void allocated(const void* address, size_t bytes);
void freed(const void* address, size_t bytes);
void written(const void* address, size_t bytes);
void copied(const void* to, const void* from, size_t bytes);

#else

constexpr bool present = false;

inline Location at(const void*) { return {}; }
inline Location at(Site) { return {}; }
inline void access(Access, const void*, size_t, Location) {}
inline void accessOf(int, Access, const void*, size_t, Location) {}
inline void copyIssued(void*, size_t, Location) {}
inline void copyCompleted(void*, size_t, Location) {}
inline void startGrid() {}
inline void startBlock(const void*, size_t) {}
inline void syncBlock() {}
inline void syncLanes(int, uint32_t) {}
inline bool report() { return false; }
inline void allocated(const void*, size_t) {}
inline void freed(const void*, size_t) {}
inline void written(const void*, size_t) {}
inline void copied(const void*, const void*, size_t) {}

#endif

}  // namespace spinegrad::simulator::checker
