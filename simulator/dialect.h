// CUDA's words for the host compiler: what kernels/lib is made of when nvcc is not the one who reads it. A thread of a
// block is a fiber; whatever CUDA says of "all threads of a warp" is a meeting (meet() below), to which each lane
// brings a pointer to its operands and of which the last to come does the work for all.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <tuple>
#include <type_traits>
#include <utility>

#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))

namespace spinegrad::simulator {

/// Where a kernel calls the runtime; made by default arguments, so that it is the caller's line.
struct Site {
  const char* file;
  int line;
  constexpr explicit Site(const char* file = __builtin_FILE(), int line = __builtin_LINE()) : file(file), line(line) {}
};

struct Index {
  unsigned x, y, z;
};

struct Parameter {
  size_t offset, size;
};

struct Kernel {
  const char* name;
  unsigned mostThreads;
  void (*call)(void** arguments);
  const Parameter* parameters;
  size_t parameterCount;
  Site site;
};

/// Adds a kernel to those that cuModuleGetFunction finds.
struct Registration {
  explicit Registration(const Kernel& kernel);
};

template <auto Function>
struct Signature;

template <class... Parameters, void (*Function)(Parameters...)>
struct Signature<Function> {
  static constexpr size_t count = sizeof...(Parameters);

  static void call(void** arguments) { callWith(arguments, std::index_sequence_for<Parameters...>()); }

  /// Parameters lie one after the other, each aligned as its type asks: as in a struct, and as nvcc lays them out.
  static const Parameter* layout() {
    static Parameter parameters[count + 1];
    size_t offset = 0, i = 0;
    ((offset = (offset + alignof(Parameters) - 1) / alignof(Parameters) * alignof(Parameters),
      parameters[i++] = {offset, sizeof(Parameters)}, offset += sizeof(Parameters)),
     ...);
    return parameters;
  }

 private:
  template <size_t... I>
  static void callWith([[maybe_unused]] void** arguments, std::index_sequence<I...>) {
    static_assert((std::is_trivially_copyable_v<Parameters> && ...), "a kernel's parameters are copied as bytes");
    Function(*static_cast<Parameters*>(arguments[I])...);
  }
};

/// A kind of meeting: its name for reports, and what the last lane to come does with the operands of the others.
struct Meeting {
  const char* name;
  void (*run)(void* const* operands, uint32_t lanes, Site site);
};

constexpr uint32_t allLanes = 0xffffffffu;

void meet(const Meeting& meeting, void* operand, uint32_t lanes, Site site);
void syncBlock(Site site);

/// One declaration of shared memory in the source; its address tells it from the others.
struct SharedObject {
  const char* name;
  size_t bytes;
  Site site;
};
void* shared(const SharedObject& object);
void* dynamicShared();

struct Shuffle {
  uint32_t value;
  int source;  // the lane whose value is wanted
};
extern const Meeting syncWarp, shuffle, ballot;

/// A lane's registers of the products of one tile A with several tiles B, and of one ldmatrix (x1, x2, x4 by index).
struct Mma {
  float* d;
  const uint32_t *a, *b;
  int products;
};
extern const Meeting mmaTf32, mmaBf16, mmaF16;

struct Ldmatrix {
  uint32_t* registers;
  const void* row;
};
extern const Meeting ldmatrix[3], ldmatrixTransposed[3];

inline uint32_t toTf32(float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  if ((bits & 0x7f800000u) == 0x7f800000u) return (bits & 0x7fffffu) ? 0x7fffffffu : bits;
  return (bits + 0x1000u) & 0xffffe000u;
}

inline uint32_t toBf16(float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffu;
  return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}

uint32_t toF16(float x);

void copyAsync(void* shared, const void* global, unsigned bytes, bool valid, Site site);
void commitGroup();
void waitGroup(int groups, Site site);

void loadVector(void* to, const void* from, size_t bytes, Site site);
void storeVector(void* to, const void* from, size_t bytes, Site site);

/// Moves a value of 4 or 8 bytes between lanes, as words.
template <class T>
T shuffleFrom(uint32_t lanes, T value, int source, Site site) {
  static_assert((sizeof(T) == 4 || sizeof(T) == 8) && std::is_trivially_copyable_v<T>);
  uint32_t words[sizeof(T) / 4];
  memcpy(words, &value, sizeof(T));
  for (uint32_t& word : words) {
    Shuffle operand{word, source};
    meet(shuffle, &operand, lanes, site);
    word = operand.value;
  }
  memcpy(&value, words, sizeof(T));
  return value;
}

int lane();

}  // namespace spinegrad::simulator

extern __thread spinegrad::simulator::Index threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

// A default argument is made anew for each call, so it knows the caller's line.
#define SPINEGRAD_SITE spinegrad::simulator::Site site = spinegrad::simulator::Site()

inline void __syncthreads(SPINEGRAD_SITE) { spinegrad::simulator::syncBlock(site); }

inline void __syncwarp(uint32_t lanes = 0xffffffffu, SPINEGRAD_SITE) {
  spinegrad::simulator::meet(spinegrad::simulator::syncWarp, nullptr, lanes, site);
}

inline uint32_t __ballot_sync(uint32_t lanes, bool predicate, SPINEGRAD_SITE) {
  uint32_t operand = predicate;
  spinegrad::simulator::meet(spinegrad::simulator::ballot, &operand, lanes, site);
  return operand;
}
inline bool __any_sync(uint32_t lanes, bool predicate, SPINEGRAD_SITE) {
  return __ballot_sync(lanes, predicate, site) != 0;
}
inline bool __all_sync(uint32_t lanes, bool predicate, SPINEGRAD_SITE) {
  return __ballot_sync(lanes, !predicate, site) == 0;
}

// A source outside of the segment of `width` lanes means the lane's own value, as on the device.
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

// Memory that all blocks see: other fibers run only at meetings, but other blocks run on other cores.
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
// These two are never contracted into a fused multiply-add.
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
