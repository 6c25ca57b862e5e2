// Kernels with one mistake each, for the simulator to find. All take the same parameters, so that one program can run
// any of them; the comment over each says what is wrong. Those of the first part show in every build, the others to the
// checker.
#include "kernels/lib/async.cuh"
#include "kernels/lib/kernel.cuh"
#include "kernels/lib/mma.cuh"
#include "kernels/lib/reduce.cuh"
#include "kernels/lib/vector.cuh"

#define WRONG(name) \
  SPINEGRAD_KERNEL(wrong_##name, 64, ([[maybe_unused]] float* x, [[maybe_unused]] float* y, [[maybe_unused]] int32_t n))

// Half of the threads leave before the barrier.
WRONG(barrier_left) {
  if (threadIdx.x >= 32) return;
  __syncthreads();
  y[threadIdx.x] = x[threadIdx.x];
}

// The two halves of a block wait at different barriers.
WRONG(barrier_divergent) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[threadIdx.x] = x[threadIdx.x];
}

// One warp waits for a lane that waits at the barrier.
WRONG(deadlock) {
  if (threadIdx.x == 3) __syncthreads();
  __syncwarp();
  y[threadIdx.x] = x[threadIdx.x];
}

// Lanes 0-15 name all lanes; the others never come.
WRONG(deadlock_mask) {
  if (threadIdx.x % 32 < 16) y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
}

// Lanes of a warp meet, some for a shuffle and some for a vote.
WRONG(meeting) {
  if (threadIdx.x % 2) {
    y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
  } else {
    y[threadIdx.x] = __any_sync(0xffffffffu, x[threadIdx.x] > 0);
  }
}

// A lane that is not in its own mask.
WRONG(mask) { y[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, x[threadIdx.x], 1); }

// A loop that never ends.
WRONG(endless) {
  volatile int32_t i = 0;
  while (i >= 0) i = i & n;
}

// No memory at all.
WRONG(null) {
  float* const nowhere = reinterpret_cast<float*>(int64_t(threadIdx.x) * 4);
  nowhere[0] = x[0];
}

// Each lane's own array is larger than a stack.
WRONG(stack) {
  volatile float local[1 << 15];
  for (int i = 0; i < n; ++i) local[i * 512] = x[i];
  y[threadIdx.x] = local[threadIdx.x * 512];
}

WRONG(division) { y[threadIdx.x] = 10 / (n - 64 + threadIdx.x); }

// 16 bytes at a multiple of 4.
WRONG(misaligned) { store(y, load<Float4>(x + 1)); }

// More than a kernel may declare.
WRONG(shared_large) {
  SPINEGRAD_SHARED(float[60][1024], tile);
  tile[0][threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = tile[0][threadIdx.x];
}

// A row of ldmatrix that is not aligned.
WRONG(ldmatrix) {
  SPINEGRAD_SHARED(float[32][5], tile);
  for (int i = 0; i < 5; ++i) tile[threadIdx.x % 32][i] = x[threadIdx.x];
  __syncthreads();
  uint32_t r[4];
  ldmatrix(r, &tile[threadIdx.x % 32][0]);
  y[threadIdx.x] = r[0];
}

// Half a warp multiplies.
WRONG(mma) {
  float d[4] = {};
  const uint32_t a[4] = {}, b[2] = {};
  if (threadIdx.x < 16) mmaTf32(d, a, b);
  y[threadIdx.x] = d[0];
}

// One element beyond a shared array: into its red zone.
WRONG(shared_write) {
  SPINEGRAD_SHARED(float[64], tile);
  tile[threadIdx.x + 1] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

// One element beyond the end of y: into its red zone.
WRONG(global_write) { y[threadIdx.x + 1] = x[threadIdx.x]; }

// Reads what the neighbours wrote without waiting for them.
WRONG(no_barrier_before_read) {
  SPINEGRAD_SHARED(float[64], tile);
  tile[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = tile[63 - threadIdx.x];
}

// Overwrites what the neighbours may still read.
WRONG(no_barrier_before_write) {
  SPINEGRAD_SHARED(float[64], tile);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  const float other = tile[63 - threadIdx.x];
  tile[threadIdx.x] = other;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

// The same inside of one warp, where a shuffle is no synchronisation either.
WRONG(no_syncwarp) {
  SPINEGRAD_SHARED(float[64], tile);
  tile[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
  y[threadIdx.x] = tile[threadIdx.x ^ 1];
}

// Half of the lanes synchronise, and read what the other half wrote.
WRONG(partial_syncwarp) {
  SPINEGRAD_SHARED(float[64], tile);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncwarp(threadIdx.x % 32 < 16 ? 0x0000ffffu : 0xffff0000u);
  y[threadIdx.x] = tile[threadIdx.x ^ 16];
}

// Reads its own copy before it has landed.
WRONG(no_wait) {
  SPINEGRAD_SHARED(float[64], tile);
  copyAsync4(&tile[threadIdx.x], x + threadIdx.x);
  commitGroup();
  y[threadIdx.x] = tile[threadIdx.x];
  waitGroup<0>();
}

// Waits for all groups but the newest, which is the one that it needs.
WRONG(wait_too_early) {
  SPINEGRAD_SHARED(float[64], tile);
  copyAsync4(&tile[threadIdx.x], x + threadIdx.x);
  commitGroup();
  waitGroup<1>();
  __syncthreads();
  y[threadIdx.x] = tile[63 - threadIdx.x];
}

// Waits for its own copy, then reads another thread's.
WRONG(wait_without_barrier) {
  SPINEGRAD_SHARED(float[64], tile);
  copyAsync4(&tile[threadIdx.x], x + threadIdx.x);
  commitGroup();
  waitGroup<0>();
  y[threadIdx.x] = tile[63 - threadIdx.x];
}

// A copy into a stage that other threads may still read.
WRONG(copy_over_read) {
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

// ldmatrix of what other lanes have just written.
WRONG(ldmatrix_no_syncwarp) {
  SPINEGRAD_SHARED(float[2][32][4], tile);
  for (int i = 0; i < 4; ++i) tile[warpId()][laneId()][i] = x[threadIdx.x];
  uint32_t r[4];
  ldmatrix(r, &tile[warpId()][laneId()][0]);
  y[threadIdx.x] = __uint_as_float(r[0]);
}

// Every block writes the same element.
WRONG(race_between_blocks) {
  if (threadIdx.x == 0) y[0] = blockIdx.x;
}

// One block reads what another writes.
WRONG(read_between_blocks) {
  if (threadIdx.x == 0) y[blockIdx.x] = blockIdx.x ? y[0] : x[0];
}

// Some threads add atomically, others plainly.
WRONG(atomic_and_plain) {
  int32_t* const counter = reinterpret_cast<int32_t*>(y);
  if (threadIdx.x == 0) counter[0] = 0;
  __syncthreads();
  if (threadIdx.x < 63) {
    atomicAdd(counter, 1);
  } else {
    counter[0] += 1;
  }
}

WRONG(shared_read_beyond) {
  SPINEGRAD_SHARED(float[64], tile);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x + 1];
}

WRONG(shared_uninitialised) {
  SPINEGRAD_SHARED(float[64], tile);
  if (threadIdx.x != 5) tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

WRONG(dynamic_read_beyond) {
  SPINEGRAD_DYNAMIC_SHARED(memory);
  float* const tile = reinterpret_cast<float*>(memory);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x + 1];
}

WRONG(global_read_beyond) { y[threadIdx.x] = x[threadIdx.x + 1]; }

WRONG(global_read_before) { y[threadIdx.x] = x[int32_t(threadIdx.x) - 1]; }

WRONG(global_uninitialised) {
  if (threadIdx.x < 63) y[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = y[threadIdx.x];
}

// The source of a copy runs over the end of x.
WRONG(copy_beyond) {
  SPINEGRAD_SHARED(float[64], tile);
  copyAsync4(&tile[threadIdx.x], x + threadIdx.x + 1);
  commitGroup();
  waitGroup<0>();
  y[threadIdx.x] = tile[threadIdx.x];
}

WRONG(vector_beyond) { store(y + threadIdx.x / 4 * 4, load<Float4>(x + threadIdx.x / 4 * 4 + 4)); }
