// Fibers: the threads of a block share one OS thread and switch stacks without a system call. A switch saves the six
// registers that a call must preserve and takes a few nanoseconds.
#pragma once

#include <cstddef>

namespace spinegrad::simulator {

extern "C" void spinegradSwitchStack(void** from, void* to);

/// Stacks for the threads of one block, each with a guard page below it that faults on overflow.
class Stacks {
 public:
  Stacks();
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;
  /// A stack that enters `entry`, which must not return, at the first switch to it.
  void* fresh(int thread, void (*entry)());
  bool guards(const void* address) const;
  /// The top of a spare stack, used after a stack overflow.
  void* spare() const;

 private:
  char* memory_;
};

}  // namespace spinegrad::simulator
