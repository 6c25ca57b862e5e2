// What a kernel calls when it runs on the simulator. A thread of a block is a fiber. Whatever CUDA defines for "all
// threads of a warp" is a meeting: each lane passes a pointer to its operands, and the last lane to arrive does the
// work for all.
#pragma once

#include <stdint.h>
#include <string.h>

#include <tuple>
#include <type_traits>
#include <utility>

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
