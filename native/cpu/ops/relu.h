// The ReLU of other operations, where their own loops cannot take it along.
#pragma once

#include <cstddef>

namespace spinegrad::cpu {

/// As the operation, NaN stays NaN; on `count` values, in parallel.
void reluInPlace(float* values, size_t count);

}  // namespace spinegrad::cpu
