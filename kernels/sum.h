// Constants that the kernels of sum and their launcher share.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// Elements per block. Independent of the device, and so is the order of the sum.
constexpr int64_t sumChunk = 16384;

}  // namespace spinegrad
