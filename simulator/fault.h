// Faults of a kernel: an address that nobody has, a stack that is too small, a division by zero, a loop without end.
// The signal that the system sends for each becomes a report, and the block is given up; signals that come while no
// kernel runs go on to whoever had them before.
#pragma once

#include "simulator/block.h"

namespace spinegrad::simulator {

/// To be called by an OS thread before it runs blocks.
void catchFaults();

/// Watches the kernels that this OS thread runs from now on until it is destroyed.
class Watch {
 public:
  Watch();
  ~Watch();
};

}  // namespace spinegrad::simulator
