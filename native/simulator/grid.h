// Runs a grid: its blocks in the order of the settings, over several OS threads.
#pragma once

#include "native/simulator/block.h"

namespace spinegrad::simulator {

/// False if a block failed, which has been reported; the blocks that had not begun by then are left out.
bool run(const Grid& grid);

/// The kernel of this name, or null.
const Kernel* findKernel(const char* name);

}  // namespace spinegrad::simulator
