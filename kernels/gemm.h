// Constants that kernels/lib/gemm.cuh and its launchers share.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// K per step of the main loop, and the stages of its pipeline.
constexpr int32_t gemmTileK = 16;
constexpr int32_t gemmStages = 4;

}  // namespace spinegrad
