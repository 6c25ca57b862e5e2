// Fibers: threads of a block that hand one processor to each other by switching stacks, without the kernel of the
// system. A switch saves the six registers that a call must keep, and costs a few nanoseconds.
#pragma once

#include <cstddef>

namespace spinegrad::simulator {

extern "C" void spinegradSwitchStack(void** from, void* to);

/// Stacks for the threads of one block, each with a page below it that faults when a kernel needs more.
class Stacks {
 public:
  Stacks();
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;
  /// A stack that enters `entry`, which must never return, when it is switched to.
  void* fresh(int thread, void (*entry)());
  bool guards(const void* address) const;
  /// The top of one more stack, for when those of the threads cannot be used.
  void* spare() const;

 private:
  char* memory_;
};

}  // namespace spinegrad::simulator
