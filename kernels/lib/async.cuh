// cp.async: asynchronous copies from global to shared memory that need no registers.
//
//     copyAsync16(&tile[next][...], source, inside);   // any number of copies
//     commitGroup();                                   // groups the copies since the last commitGroup()
//     waitGroup<1>();                                  // all groups of this thread but the newest 1 are complete
//     __syncthreads();                                 // and those of the other threads
//
// A copy with `valid` false writes zeros and reads nothing. Both addresses are multiples of the size. sm_75 has no
// cp.async: there a copy goes through registers and is complete at once.
#pragma once

#include "kernels/lib/kernel.cuh"

namespace spinegrad {

#if defined(__CUDACC__)

#if __CUDA_ARCH__ >= 800

namespace detail {
__device__ __forceinline__ uint32_t sharedAddress(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}
}  // namespace detail

__device__ __forceinline__ void copyAsync16(void* shared, const void* global, bool valid = true) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(detail::sharedAddress(shared)), "l"(global),
               "r"(valid ? 16 : 0)
               : "memory");
}
__device__ __forceinline__ void copyAsync8(void* shared, const void* global, bool valid = true) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;\n" ::"r"(detail::sharedAddress(shared)), "l"(global),
               "r"(valid ? 8 : 0)
               : "memory");
}
__device__ __forceinline__ void copyAsync4(void* shared, const void* global, bool valid = true) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(detail::sharedAddress(shared)), "l"(global),
               "r"(valid ? 4 : 0)
               : "memory");
}
__device__ __forceinline__ void commitGroup() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
template <int groups>
__device__ __forceinline__ void waitGroup() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(groups) : "memory");
}

#else

__device__ __forceinline__ void copyAsync16(void* shared, const void* global, bool valid = true) {
  *static_cast<uint4*>(shared) = valid ? *static_cast<const uint4*>(global) : make_uint4(0, 0, 0, 0);
}
__device__ __forceinline__ void copyAsync8(void* shared, const void* global, bool valid = true) {
  *static_cast<uint2*>(shared) = valid ? *static_cast<const uint2*>(global) : make_uint2(0, 0);
}
__device__ __forceinline__ void copyAsync4(void* shared, const void* global, bool valid = true) {
  *static_cast<uint32_t*>(shared) = valid ? *static_cast<const uint32_t*>(global) : 0;
}
__device__ __forceinline__ void commitGroup() {}
template <int groups>
__device__ __forceinline__ void waitGroup() {}

#endif

#endif

}  // namespace spinegrad
