#include "native/cpu/runtime/reduce.h"

#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {

SPINEGRAD_SIMD double sumOf(const float* x, int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += x[i];
  return sum;
}

SPINEGRAD_SIMD double dotOf(const float* a, const float* b, int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

}  // namespace spinegrad::cpu
