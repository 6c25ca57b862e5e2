// The dialect in which kernels are written: one source that nvcc compiles for GPUs and the host compiler for the
// simulator (simulator). A kernel file includes this one first, and looks like this:
//
//     SPINEGRAD_KERNEL(relu_forward, 256, (const float* x, float* y, int64_t count)) {
//       for (int64_t i = globalThread(); i < count; i += allThreads()) y[i] = fmaxf(x[i], 0.0f);
//     }
//
// that is: name, most threads in a block, parameters. Parameters are pointers, int32_t, int64_t, float, or a trivially
// copyable struct. threadIdx, __syncthreads(), shuffles, integer atomics and the mathematics are CUDA's own; a device
// function is marked __device__ __forceinline__ (or __device__ inline); PTX stands in this folder only.
#pragma once

#include <stdint.h>

#if defined(__CUDACC__)

#define SPINEGRAD_KERNEL(name, threads, parameters) \
  extern "C" __global__ void __launch_bounds__(threads) name parameters

/// In place of the threads of a SPINEGRAD_KERNEL: asks for so few registers that `blocks` fit on one multiprocessor.
#define SPINEGRAD_BOUNDS(threads, blocks) threads, blocks

/// An object in shared memory, aligned to 16 bytes: SPINEGRAD_SHARED(float[32][33], tile);
#define SPINEGRAD_SHARED(Type, name) __shared__ __align__(16)::spinegrad::Same<Type> name

/// The shared memory whose size the launch gives: an `unsigned char*`, aligned to 128 bytes.
#define SPINEGRAD_DYNAMIC_SHARED(name)                                     \
  extern __shared__ __align__(128) unsigned char spinegradDynamicShared[]; \
  unsigned char* const name = spinegradDynamicShared

#elif !defined(SPINEGRAD_KERNEL)
#error "compile kernels with nvcc, or include a header first that defines this dialect for the host compiler"
#endif

namespace spinegrad {

/// A type under another spelling: lets `float[4][8]` stand before the name it declares.
template <class T>
using Same = T;

/// The lane of this thread in its warp, and the warp in its block, for blocks of one dimension.
__device__ __forceinline__ int laneId() { return static_cast<int>(threadIdx.x & 31u); }
__device__ __forceinline__ int warpId() { return static_cast<int>(threadIdx.x >> 5); }

/// This thread among all of the grid, and their number, for grids of one dimension: a loop from the one in steps of
/// the other covers any count, and neighbours touch neighbouring addresses.
__device__ __forceinline__ int64_t globalThread() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ __forceinline__ int64_t allThreads() { return int64_t(gridDim.x) * blockDim.x; }

template <class T>
__device__ __forceinline__ constexpr T ceilDivide(T a, T b) {
  return (a + b - 1) / b;
}

}  // namespace spinegrad

using namespace spinegrad;
