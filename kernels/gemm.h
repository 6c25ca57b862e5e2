// What the products of kernels/lib/gemm.cuh and their launchers agree on.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// Values of the depth that a stage of shared memory holds, and the stages.
constexpr int32_t gemmDepth = 16;
constexpr int32_t gemmStages = 4;

}  // namespace spinegrad
