// The functions of the simulator that kernels call. A thread of a block is a fiber. An instruction that CUDA defines
// for all threads of a warp is a collective: each lane passes a pointer to its operands, and the last lane to arrive
// does the work for all.
#pragma once

#include <stdint.h>
#include <string.h>

#include <tuple>
#include <type_traits>
#include <utility>

namespace spinegrad::simulator {

/// A source line of a kernel. As a default argument it is the line of the caller.
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
  unsigned maxThreads;
  void (*call)(void** arguments);
  const Parameter* parameters;
  size_t parameterCount;
  Site site;
};

/// Registers a kernel for cuModuleGetFunction().
struct Registration {
  explicit Registration(const Kernel& kernel);
};

template <auto Function>
struct Signature;

template <class... Parameters, void (*Function)(Parameters...)>
struct Signature<Function> {
  static constexpr size_t count = sizeof...(Parameters);

  static void call(void** arguments) { callWith(arguments, std::index_sequence_for<Parameters...>()); }

  /// The offsets of the parameters: those of a struct with these members, as in nvcc.
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
    static_assert((std::is_trivially_copyable_v<Parameters> && ...), "kernel parameters are copied as bytes");
    Function(*static_cast<Parameters*>(arguments[I])...);
  }
};

/// A warp-wide instruction: its name in reports, and the function that the last lane runs on the operands of all lanes.
struct Collective {
  const char* name;
  void (*run)(void* const* operands, uint32_t lanes, Site site);
};

constexpr uint32_t allLanes = 0xffffffffu;

void joinCollective(const Collective& collective, void* operand, uint32_t lanes, Site site);
void syncBlock(Site site);

/// A declaration of shared memory in the source, identified by its address.
struct SharedObject {
  const char* name;
  size_t bytes;
  Site site;
};
void* shared(const SharedObject& object);
void* dynamicShared();

struct Shuffle {
  uint32_t value;
  int source;  // the lane to read from
};
extern const Collective syncWarp, shuffle, ballot;

/// A lane's registers for the products of one tile A with `products` tiles B.
struct Mma {
  float* d;
  const uint32_t *a, *b;
  int products;
};
extern const Collective mmaTf32, mmaBf16, mmaF16;

/// A lane's operands of ldmatrix. The arrays below hold the variants x1, x2 and x4.
struct Ldmatrix {
  uint32_t* registers;
  const void* row;
};
extern const Collective ldmatrix[3], ldmatrixTransposed[3];

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

/// Shuffles a value of 4 or 8 bytes word by word.
template <class T>
T shuffleFrom(uint32_t lanes, T value, int source, Site site) {
  static_assert((sizeof(T) == 4 || sizeof(T) == 8) && std::is_trivially_copyable_v<T>);
  uint32_t words[sizeof(T) / 4];
  memcpy(words, &value, sizeof(T));
  for (uint32_t& word : words) {
    Shuffle operand{word, source};
    joinCollective(shuffle, &operand, lanes, site);
    word = operand.value;
  }
  memcpy(&value, words, sizeof(T));
  return value;
}

int lane();

}  // namespace spinegrad::simulator

extern __thread spinegrad::simulator::Index threadIdx, blockIdx, blockDim, gridDim;
