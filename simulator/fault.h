// Faults of a kernel: invalid addresses, stack overflow, division by zero, endless loops. The signal of a fault becomes
// a report and the block is abandoned. A signal outside of kernels is passed to the previous handler.
#pragma once

#include "simulator/block.h"

namespace spinegrad::simulator {

/// Each OS thread calls this before it runs blocks.
void catchFaults();

/// Limits the time of the kernels that this OS thread runs during the lifetime of the object.
class Watch {
 public:
  Watch();
  ~Watch();
};

}  // namespace spinegrad::simulator
