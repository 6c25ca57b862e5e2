// The dialect of the kernels: CUDA C++ plus four macros. nvcc compiles it for GPUs; a host compiler compiles the same
// files if its build defines the dialect first. A kernel file looks like this:
//
//     SPINEGRAD_KERNEL(relu_forward, 256, (const float* x, float* y, int64_t count)) {
//       for (int64_t i = globalThread(); i < count; i += gridThreads()) y[i] = fmaxf(x[i], 0.0f);
//     }
//
// The arguments are the name, the maximum number of threads per block, and the parameters: pointers, int32_t, int64_t,
// float, or trivially copyable structs. A device function is marked __device__ __forceinline__ or __device__ inline.
// Only kernels/lib contains PTX; in async.cuh, mma.cuh and vector.cuh the dialect replaces it for a host compiler.
#pragma once

#include <stdint.h>

#if defined(__CUDACC__)

#define SPINEGRAD_KERNEL(name, threads, parameters) \
  extern "C" __global__ void __launch_bounds__(threads) name parameters

/// Replaces the number of threads in SPINEGRAD_KERNEL and limits registers so that `blocks` fit on one multiprocessor.
#define SPINEGRAD_BOUNDS(threads, blocks) threads, blocks

/// An object in shared memory, aligned to 16 bytes: SPINEGRAD_SHARED(float[32][33], tile);
#define SPINEGRAD_SHARED(Type, name) __shared__ __align__(16)::spinegrad::Same<Type> name

/// Dynamic shared memory as an `unsigned char*`, aligned to 128 bytes. The launch sets its size.
#define SPINEGRAD_DYNAMIC_SHARED(name)                                     \
  extern __shared__ __align__(128) unsigned char spinegradDynamicShared[]; \
  unsigned char* const name = spinegradDynamicShared

#elif !defined(SPINEGRAD_KERNEL)
#error "this is not nvcc: include a header that defines the dialect for the host compiler before this file"
#endif

namespace spinegrad {

/// Lets an array type such as `float[4][8]` precede the name that it declares.
template <class T>
using Same = T;

/// The lane of this thread in its warp, and its warp in the block. Blocks have one dimension.
__device__ __forceinline__ int laneId() { return static_cast<int>(threadIdx.x & 31u); }
__device__ __forceinline__ int warpId() { return static_cast<int>(threadIdx.x >> 5); }

/// The index of this thread in the grid and the number of threads of the grid, along x. They are the start and the
/// stride of a grid-stride loop.
__device__ __forceinline__ int64_t globalThread() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ __forceinline__ int64_t gridThreads() { return int64_t(gridDim.x) * blockDim.x; }

template <class T>
__device__ __forceinline__ constexpr T ceilDivide(T a, T b) {
  return (a + b - 1) / b;
}

}  // namespace spinegrad

using namespace spinegrad;
