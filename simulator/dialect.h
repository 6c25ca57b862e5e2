// CUDA C++ for the host compiler: the build includes this file before each kernel file. It defines CUDA's built-ins,
// the macros of kernels/lib/kernel.cuh, and the primitives that kernels/lib writes in PTX (async.cuh, mma.cuh,
// vector.cuh).
#pragma once

#include <math.h>

#include "simulator/runtime.h"

#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))

constexpr int warpSize = 32;

// A default argument is evaluated at each call and therefore contains the caller's line.
#define SPINEGRAD_SITE spinegrad::simulator::Site site = spinegrad::simulator::Site()

inline void __syncthreads(SPINEGRAD_SITE) { spinegrad::simulator::syncBlock(site); }

inline void __syncwarp(uint32_t lanes = 0xffffffffu, SPINEGRAD_SITE) {
  spinegrad::simulator::joinCollective(spinegrad::simulator::syncWarp, nullptr, lanes, site);
}

inline uint32_t __ballot_sync(uint32_t lanes, bool predicate, SPINEGRAD_SITE) {
  uint32_t operand = predicate;
  spinegrad::simulator::joinCollective(spinegrad::simulator::ballot, &operand, lanes, site);
  return operand;
}
inline bool __any_sync(uint32_t lanes, bool predicate, SPINEGRAD_SITE) {
  return __ballot_sync(lanes, predicate, site) != 0;
}
inline bool __all_sync(uint32_t lanes, bool predicate, SPINEGRAD_SITE) {
  return __ballot_sync(lanes, !predicate, site) == 0;
}

// If the source is outside the segment of `width` lanes, the result is the lane's own value, as on the device.
template <class T>
T __shfl_sync(uint32_t lanes, T value, int source, int width = 32, SPINEGRAD_SITE) {
  const int first = spinegrad::simulator::lane() & -width;
  return spinegrad::simulator::shuffleFrom(lanes, value, first + (source & (width - 1)), site);
}
template <class T>
T __shfl_xor_sync(uint32_t lanes, T value, int mask, int width = 32, SPINEGRAD_SITE) {
  const int me = spinegrad::simulator::lane(), source = me ^ mask;
  return spinegrad::simulator::shuffleFrom(lanes, value, source < (me & -width) + width ? source : me, site);
}
template <class T>
T __shfl_down_sync(uint32_t lanes, T value, unsigned delta, int width = 32, SPINEGRAD_SITE) {
  const int me = spinegrad::simulator::lane(), source = me + static_cast<int>(delta);
  return spinegrad::simulator::shuffleFrom(lanes, value, source < (me & -width) + width ? source : me, site);
}
template <class T>
T __shfl_up_sync(uint32_t lanes, T value, unsigned delta, int width = 32, SPINEGRAD_SITE) {
  const int me = spinegrad::simulator::lane(), source = me - static_cast<int>(delta);
  return spinegrad::simulator::shuffleFrom(lanes, value, source >= (me & -width) ? source : me, site);
}

// Other fibers run only at collectives and barriers, but other blocks run on other cores.
inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

template <class T>
using IfInteger = std::enable_if_t<std::is_integral_v<T> && (sizeof(T) == 4 || sizeof(T) == 8), T>;

template <class T>
IfInteger<T> atomicAdd(T* at, std::type_identity_t<T> value) {
  return __atomic_fetch_add(at, value, __ATOMIC_RELAXED);
}
template <class T>
IfInteger<T> atomicOr(T* at, std::type_identity_t<T> value) {
  return __atomic_fetch_or(at, value, __ATOMIC_RELAXED);
}
template <class T>
IfInteger<T> atomicExch(T* at, std::type_identity_t<T> value) {
  return __atomic_exchange_n(at, value, __ATOMIC_RELAXED);
}
template <class T>
IfInteger<T> atomicCAS(T* at, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}
template <class T>
IfInteger<T> atomicMax(T* at, std::type_identity_t<T> value) {
  T old = __atomic_load_n(at, __ATOMIC_RELAXED);
  while (old < value && !__atomic_compare_exchange_n(at, &old, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}
template <class T>
IfInteger<T> atomicMin(T* at, std::type_identity_t<T> value) {
  T old = __atomic_load_n(at, __ATOMIC_RELAXED);
  while (value < old && !__atomic_compare_exchange_n(at, &old, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}

template <class T>
constexpr T min(T a, std::type_identity_t<T> b) {
  return b < a ? b : a;
}
template <class T>
constexpr T max(T a, std::type_identity_t<T> b) {
  return a < b ? b : a;
}

template <class T>
T __ldg(const T* at) {
  return *at;
}

inline uint32_t __float_as_uint(float x) { return __builtin_bit_cast(uint32_t, x); }
inline int __float_as_int(float x) { return __builtin_bit_cast(int, x); }
inline float __uint_as_float(uint32_t x) { return __builtin_bit_cast(float, x); }
inline float __int_as_float(int x) { return __builtin_bit_cast(float, x); }
inline int __popc(uint32_t x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<uint32_t>(x)) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline uint32_t __umulhi(uint32_t a, uint32_t b) { return static_cast<uint32_t>((uint64_t{a} * b) >> 32); }

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
// The empty asm prevents contraction into a fused multiply-add.
inline float __fmul_rn(float x, float y) {
  float product = x * y;
  asm("" : "+x"(product));
  return product;
}
inline float __fadd_rn(float x, float y) {
  asm("" : "+x"(x));
  return x + y;
}
inline int __float2int_rn(float x) { return static_cast<int>(rintf(x)); }
inline int __float2int_rd(float x) { return static_cast<int>(floorf(x)); }

#define SPINEGRAD_KERNEL(name, threads, parameters)                                                                    \
  static void name parameters;                                                                                         \
  static const spinegrad::simulator::Registration name##Registration(                                                  \
      {#name, threads, spinegrad::simulator::Signature<&name>::call, spinegrad::simulator::Signature<&name>::layout(), \
       spinegrad::simulator::Signature<&name>::count, spinegrad::simulator::Site()});                                  \
  static void name parameters

#define SPINEGRAD_BOUNDS(threads, blocks) threads

#define SPINEGRAD_SHARED(Type, name)                                                                       \
  static constexpr spinegrad::simulator::SharedObject name##Object{#name, sizeof(::spinegrad::Same<Type>), \
                                                                   spinegrad::simulator::Site()};          \
  ::spinegrad::Same<Type>& name = *static_cast<::spinegrad::Same<Type>*>(spinegrad::simulator::shared(name##Object))

#define SPINEGRAD_DYNAMIC_SHARED(name) \
  unsigned char* const name = static_cast<unsigned char*>(spinegrad::simulator::dynamicShared())

namespace spinegrad {

template <class P, class T>
P load(const T* from, SPINEGRAD_SITE) {
  P value;
  simulator::loadVector(&value, from, sizeof(P), site);
  return value;
}

template <class P, class T>
void store(T* to, const P& value, SPINEGRAD_SITE) {
  simulator::storeVector(to, &value, sizeof(P), site);
}

inline void copyAsync16(void* shared, const void* global, bool valid = true, SPINEGRAD_SITE) {
  simulator::copyAsync(shared, global, 16, valid, site);
}
inline void copyAsync8(void* shared, const void* global, bool valid = true, SPINEGRAD_SITE) {
  simulator::copyAsync(shared, global, 8, valid, site);
}
inline void copyAsync4(void* shared, const void* global, bool valid = true, SPINEGRAD_SITE) {
  simulator::copyAsync(shared, global, 4, valid, site);
}
inline void commitGroup() { simulator::commitGroup(); }
template <int groups>
void waitGroup(SPINEGRAD_SITE) {
  simulator::waitGroup(groups, site);
}

inline uint32_t toTf32(float x) { return simulator::toTf32(x); }
inline uint32_t packBf16(float low, float high) { return simulator::toBf16(low) | simulator::toBf16(high) << 16; }
inline uint32_t packF16(float low, float high) { return simulator::toF16(low) | simulator::toF16(high) << 16; }

inline void mmaTf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], SPINEGRAD_SITE) {
  simulator::Mma operand{d, a, b, 1};
  simulator::joinCollective(simulator::mmaTf32, &operand, simulator::allLanes, site);
}
template <int N>
void mmaTf32(float (&d)[N][4], const uint32_t (&a)[4], const uint32_t (&b)[N][2], SPINEGRAD_SITE) {
  simulator::Mma operand{d[0], a, b[0], N};
  simulator::joinCollective(simulator::mmaTf32, &operand, simulator::allLanes, site);
}
inline void mmaBf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], SPINEGRAD_SITE) {
  simulator::Mma operand{d, a, b, 1};
  simulator::joinCollective(simulator::mmaBf16, &operand, simulator::allLanes, site);
}
template <int N>
void mmaBf16(float (&d)[N][4], const uint32_t (&a)[4], const uint32_t (&b)[N][2], SPINEGRAD_SITE) {
  simulator::Mma operand{d[0], a, b[0], N};
  simulator::joinCollective(simulator::mmaBf16, &operand, simulator::allLanes, site);
}
inline void mmaF16(float (&d)[4], const uint32_t (&a)[2], const uint32_t (&b)[1], SPINEGRAD_SITE) {
  simulator::Mma operand{d, a, b, 1};
  simulator::joinCollective(simulator::mmaF16, &operand, simulator::allLanes, site);
}
template <int N>
void mmaF16(float (&d)[N][4], const uint32_t (&a)[2], const uint32_t (&b)[N][1], SPINEGRAD_SITE) {
  simulator::Mma operand{d[0], a, b[0], N};
  simulator::joinCollective(simulator::mmaF16, &operand, simulator::allLanes, site);
}

template <int N>
void ldmatrix(uint32_t (&r)[N], const void* row, SPINEGRAD_SITE) {
  static_assert(N == 1 || N == 2 || N == 4);
  simulator::Ldmatrix operand{r, row};
  simulator::joinCollective(simulator::ldmatrix[N / 2], &operand, simulator::allLanes, site);
}
template <int N>
void ldmatrixTransposed(uint32_t (&r)[N], const void* row, SPINEGRAD_SITE) {
  static_assert(N == 1 || N == 2 || N == 4);
  simulator::Ldmatrix operand{r, row};
  simulator::joinCollective(simulator::ldmatrixTransposed[N / 2], &operand, simulator::allLanes, site);
}

}  // namespace spinegrad
