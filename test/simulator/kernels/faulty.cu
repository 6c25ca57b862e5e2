// Kernels with one error each, which the simulator must report. All have the same parameters, so that faulty.cpp can
// run any of them. Every build finds the errors of the first part, up to global_write; only the checked build finds the
// others.
#include "kernels/lib/async.cuh"
#include "kernels/lib/kernel.cuh"
#include "kernels/lib/mma.cuh"
#include "kernels/lib/reduce.cuh"
#include "kernels/lib/vector.cuh"

#define FAULTY(name)                  \
  SPINEGRAD_KERNEL(faulty_##name, 64, \
                   ([[maybe_unused]] float* x, [[maybe_unused]] float* y, [[maybe_unused]] int32_t n))

// Half of the threads return before the barrier.
FAULTY(barrier_left) {
  if (threadIdx.x >= 32) return;
  __syncthreads();
  y[threadIdx.x] = x[threadIdx.x];
}

// The two halves of a block wait at different barriers.
FAULTY(barrier_divergent) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[threadIdx.x] = x[threadIdx.x];
}

// A warp waits for a lane that waits at the barrier.
FAULTY(deadlock) {
  if (threadIdx.x == 3) __syncthreads();
  __syncwarp();
  y[threadIdx.x] = x[threadIdx.x];
}

// The mask of lanes 0-15 contains all lanes, but lanes 16-31 return.
FAULTY(deadlock_mask) {
  if (threadIdx.x % 32 < 16) y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
}

// Half of the lanes shuffle, the others vote.
FAULTY(collective) {
  if (threadIdx.x % 2) {
    y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
  } else {
    y[threadIdx.x] = __any_sync(0xffffffffu, x[threadIdx.x] > 0);
  }
}

// A lane is not in its own mask.
FAULTY(mask) { y[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, x[threadIdx.x], 1); }

// An endless loop.
FAULTY(endless) {
  volatile int32_t i = 0;
  while (i >= 0) i = i & n;
}

// An address that is not device memory.
FAULTY(null) {
  float* const nowhere = reinterpret_cast<float*>(int64_t(threadIdx.x) * 4);
  nowhere[0] = x[0];
}

// A local array that is larger than a stack.
FAULTY(stack) {
  volatile float local[1 << 15];
  for (int i = 0; i < n; ++i) local[i * 512] = x[i];
  y[threadIdx.x] = local[threadIdx.x * 512];
}

FAULTY(division) { y[threadIdx.x] = 10 / (n - 64 + threadIdx.x); }

// A 16-byte load from an address that is a multiple of 4 only.
FAULTY(misaligned) { store(y, load<Float4>(x + 1)); }

// More shared memory than a kernel may declare.
FAULTY(shared_large) {
  SPINEGRAD_SHARED(float[60][1024], tile);
  tile[0][threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = tile[0][threadIdx.x];
}

// An unaligned row of ldmatrix.
FAULTY(ldmatrix) {
  SPINEGRAD_SHARED(float[32][5], tile);
  for (int i = 0; i < 5; ++i) tile[threadIdx.x % 32][i] = x[threadIdx.x];
  __syncthreads();
  uint32_t r[4];
  ldmatrix(r, &tile[threadIdx.x % 32][0]);
  y[threadIdx.x] = r[0];
}

// Half of a warp calls mma.
FAULTY(mma) {
  float d[4] = {};
  const uint32_t a[4] = {}, b[2] = {};
  if (threadIdx.x < 16) mmaTf32(d, a, b);
  y[threadIdx.x] = d[0];
}

// A write one element after the end of a shared array, into its red zone.
FAULTY(shared_write) {
  SPINEGRAD_SHARED(float[64], tile);
  tile[threadIdx.x + 1] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

// A write one element after the end of y, into its red zone.
FAULTY(global_write) { y[threadIdx.x + 1] = x[threadIdx.x]; }

// Reads the values of other threads without a barrier.
FAULTY(no_barrier_before_read) {
  SPINEGRAD_SHARED(float[64], tile);
  tile[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = tile[63 - threadIdx.x];
}

// Overwrites values that other threads may still read.
FAULTY(no_barrier_before_write) {
  SPINEGRAD_SHARED(float[64], tile);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  const float other = tile[63 - threadIdx.x];
  tile[threadIdx.x] = other;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

// The same inside one warp: a shuffle does not order memory.
FAULTY(no_syncwarp) {
  SPINEGRAD_SHARED(float[64], tile);
  tile[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
  y[threadIdx.x] = tile[threadIdx.x ^ 1];
}

// Each half of a warp synchronizes, then reads what the other half wrote.
FAULTY(partial_syncwarp) {
  SPINEGRAD_SHARED(float[64], tile);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncwarp(threadIdx.x % 32 < 16 ? 0x0000ffffu : 0xffff0000u);
  y[threadIdx.x] = tile[threadIdx.x ^ 16];
}

// Reads its own cp.async before waiting for it.
FAULTY(no_wait) {
  SPINEGRAD_SHARED(float[64], tile);
  copyAsync4(&tile[threadIdx.x], x + threadIdx.x);
  commitGroup();
  y[threadIdx.x] = tile[threadIdx.x];
  waitGroup<0>();
}

// Waits for all groups but the newest, which is the one it reads.
FAULTY(wait_too_early) {
  SPINEGRAD_SHARED(float[64], tile);
  copyAsync4(&tile[threadIdx.x], x + threadIdx.x);
  commitGroup();
  waitGroup<1>();
  __syncthreads();
  y[threadIdx.x] = tile[63 - threadIdx.x];
}

// Waits for its own copies, then reads a copy of another thread.
FAULTY(wait_without_barrier) {
  SPINEGRAD_SHARED(float[64], tile);
  copyAsync4(&tile[threadIdx.x], x + threadIdx.x);
  commitGroup();
  waitGroup<0>();
  y[threadIdx.x] = tile[63 - threadIdx.x];
}

// Issues a copy into a stage that other threads may still read.
FAULTY(copy_over_read) {
  SPINEGRAD_SHARED(float[64], tile);
  copyAsync4(&tile[threadIdx.x], x + threadIdx.x);
  commitGroup();
  waitGroup<0>();
  __syncthreads();
  const float other = tile[63 - threadIdx.x];
  copyAsync4(&tile[threadIdx.x], x + threadIdx.x);
  commitGroup();
  waitGroup<0>();
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x] + other;
}

// ldmatrix reads rows of other lanes without __syncwarp().
FAULTY(ldmatrix_no_syncwarp) {
  SPINEGRAD_SHARED(float[2][32][4], tile);
  for (int i = 0; i < 4; ++i) tile[warpId()][laneId()][i] = x[threadIdx.x];
  uint32_t r[4];
  ldmatrix(r, &tile[warpId()][laneId()][0]);
  y[threadIdx.x] = __uint_as_float(r[0]);
}

// All blocks write the same element.
FAULTY(race_between_blocks) {
  if (threadIdx.x == 0) y[0] = blockIdx.x;
}

// One block reads what another writes.
FAULTY(read_between_blocks) {
  if (threadIdx.x == 0) y[blockIdx.x] = blockIdx.x ? y[0] : x[0];
}

// Some threads add atomically, another does not.
FAULTY(atomic_and_plain) {
  int32_t* const counter = reinterpret_cast<int32_t*>(y);
  if (threadIdx.x == 0) counter[0] = 0;
  __syncthreads();
  if (threadIdx.x < 63) {
    atomicAdd(counter, 1);
  } else {
    counter[0] += 1;
  }
}

FAULTY(shared_read_beyond) {
  SPINEGRAD_SHARED(float[64], tile);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x + 1];
}

FAULTY(shared_uninitialized) {
  SPINEGRAD_SHARED(float[64], tile);
  if (threadIdx.x != 5) tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

FAULTY(dynamic_read_beyond) {
  SPINEGRAD_DYNAMIC_SHARED(memory);
  float* const tile = reinterpret_cast<float*>(memory);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x + 1];
}

FAULTY(global_read_beyond) { y[threadIdx.x] = x[threadIdx.x + 1]; }

FAULTY(global_read_before) { y[threadIdx.x] = x[int32_t(threadIdx.x) - 1]; }

FAULTY(global_uninitialized) {
  if (threadIdx.x < 63) y[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = y[threadIdx.x];
}

// The source of a copy extends beyond the end of x.
FAULTY(copy_beyond) {
  SPINEGRAD_SHARED(float[64], tile);
  copyAsync4(&tile[threadIdx.x], x + threadIdx.x + 1);
  commitGroup();
  waitGroup<0>();
  y[threadIdx.x] = tile[threadIdx.x];
}

FAULTY(vector_beyond) { store(y + threadIdx.x / 4 * 4, load<Float4>(x + threadIdx.x / 4 * 4 + 4)); }
