// Runs a grid: its blocks in the order of the settings, on several OS threads.
#pragma once

#include "simulator/block.h"

namespace spinegrad::simulator {

/// Any result but CUDA_SUCCESS has been reported. Blocks that have not started by then are skipped.
CUresult run(const Grid& grid);

/// The kernel with this name, or null.
const Kernel* findKernel(const char* name);

/// For tests: one line per kernel, "name offset:bytes offset:bytes ...".
extern "C" __attribute__((visibility("default"))) const char* spinegradSimulatorKernels();

}  // namespace spinegrad::simulator
