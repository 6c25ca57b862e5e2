// The shared memory of one block: first the dynamic part, then the declared objects in the order in which the threads
// come upon them, with red zones between. It starts as poison (0xff: NaN as a float, -1 as an integer), so that what
// was never written shows; the red zones hold another pattern, so that a write beyond an object shows when the block
// ends.
#pragma once

#include <string>
#include <vector>

#include "simulator/runtime.h"

namespace spinegrad::simulator {

class SharedMemory {
 public:
  static constexpr size_t most = 227 * 1024;          // a block of sm_90 can have this much,
  static constexpr size_t withoutAsking = 48 * 1024;  // but this much only unless the kernel asked, and declared ever
  static constexpr size_t redZone = 128;
  static constexpr size_t capacity = most + 256 * redZone;

  SharedMemory();
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  void start(size_t dynamicBytes, bool hasAsked);
  void* dynamic() const { return memory_ + redZone; }
  void* object(const SharedObject& object);
  /// What was written into a red zone, in words; empty if nothing was.
  std::string damage() const;

  /// Bytes of dynamic memory and declared objects of the block so far.
  size_t used() const { return used_; }
  const void* begin() const { return memory_; }
  bool contains(const void* address) const { return address >= memory_ && address < memory_ + capacity; }
  /// "4 bytes behind the end of `tile`".
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
  bool hasAsked_ = false;
};

}  // namespace spinegrad::simulator
