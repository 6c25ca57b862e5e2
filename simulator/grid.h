// Runs a grid: its blocks in the order of the settings, over several OS threads.
#pragma once

#include "simulator/block.h"

namespace spinegrad::simulator {

/// Anything but CUDA_SUCCESS has been reported; the blocks that had not begun by then are left out.
CUresult run(const Grid& grid);

/// The kernel of this name, or null.
const Kernel* findKernel(const char* name);

/// For tests: each kernel on a line, as "name offset:bytes offset:bytes ...".
extern "C" __attribute__((visibility("default"))) const char* spinegradSimulatorKernels();

}  // namespace spinegrad::simulator
