// Reductions over contiguous floats in double precision. The order of additions depends on the processor's vector
// length only.
#pragma once

#include <cstdint>

namespace spinegrad::cpu {

double sumOf(const float* x, int64_t count);
double dotOf(const float* a, const float* b, int64_t count);

}  // namespace spinegrad::cpu
