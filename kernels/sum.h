// What the kernels of sum and their launcher agree on.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// Elements that one block adds up. It does not depend on the device, so neither does the order of the sum.
constexpr int64_t sumPiece = 16384;

}  // namespace spinegrad
