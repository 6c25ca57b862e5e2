// The shared memory of one block: the dynamic part, then the declared objects in the order in which threads reach their
// declarations, with red zones in between. It starts as poison (0xff: NaN as a float, -1 as an integer), which shows
// reads of memory that was never written; a write into a red zone shows when the block ends.
#pragma once

#include <string>
#include <vector>

#include "simulator/runtime.h"

namespace spinegrad::simulator {

class SharedMemory {
 public:
  static constexpr size_t maxOptIn = 227 * 1024;   // the limit of an sm_90 block if the kernel opts in
  static constexpr size_t maxDefault = 48 * 1024;  // the limit otherwise, and always of declared objects
  static constexpr size_t redZone = 128;
  static constexpr size_t capacity = maxOptIn + 256 * redZone;

  SharedMemory();
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  void start(size_t dynamicBytes, bool optedIn);
  void* dynamic() const { return memory_ + redZone; }
  void* object(const SharedObject& object);
  /// Describes a write into a red zone; empty if there is none.
  std::string damage() const;

  /// Bytes of dynamic memory and of the objects declared so far.
  size_t used() const { return used_; }
  const void* begin() const { return memory_; }
  bool contains(const void* address) const { return address >= memory_ && address < memory_ + capacity; }
  /// For example "4 bytes after the end of `tile`".
  std::string describe(const void* address) const;

 private:
  struct Placed {
    const SharedObject* object;
    char* at;
    size_t bytes;
  };

  void place(const SharedObject* object, size_t bytes);

  char* memory_;
  std::vector<Placed> placed_;
  size_t used_ = 0, declared_ = 0;
  bool optedIn_ = false;
};

}  // namespace spinegrad::simulator
