// Finds what only hardware, and only sometimes, would punish: races, accesses out of bounds, reads of what was never
// written. Part of the checked build (cmake -DSPINEGRAD_CHECKED=ON), in which clang compiles the kernels with
// -fsanitize=thread and every load and store calls us (tsan.cpp); in the other builds nothing of this is left.
//
// Each byte of the devices' memory and of a block's shared memory has a state (not allocated, never written, written,
// awaited from a cp.async), each word a few records of who touched which of its bytes last, and when. Two accesses of
// which one writes are a race unless something put them in order: the end of a kernel; __syncthreads() for threads of
// one block; __syncwarp() for the lanes it names. Blocks of one grid are never in order; atomics race with everything
// but atomics. Shuffles, votes and mma order no memory, as CUDA says.
//
// "When" is a clock of the block that ticks at every synchronisation. A thread knows of each other one up to which tick
// it has been told: by the last barrier, by the last __syncwarp() of its whole warp, or lane by lane after partial
// ones.
#pragma once

#include <cstddef>

#include "simulator/runtime.h"

namespace spinegrad::simulator::checker {

/// Where an access stands in the source: an instruction, or a call of the dialect.
struct Location {
  uint32_t code = 0;
};

enum class Access : uint8_t { read, write, atomic };

#if defined(SPINEGRAD_CHECKED)

constexpr bool present = true;

Location at(const void* instruction);
Location at(Site site);

/// By the thread that runs, or by `lane` of its warp.
void access(Access kind, const void* address, size_t bytes, Location location);
void accessOf(int lane, Access kind, const void* address, size_t bytes, Location location);
/// A cp.async is issued, or has landed.
void awaited(void* shared, size_t bytes, Location location);
void landed(void* shared, size_t bytes, Location location);

void startGrid();
void startBlock(const void* sharedMemory, size_t bytes);
void syncBlock();
void syncLanes(int warp, uint32_t lanes);
/// Writes what was found since the last time; whether there was anything.
bool report();

/// Of global and of shared memory.
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
inline void awaited(void*, size_t, Location) {}
inline void landed(void*, size_t, Location) {}
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
