// y[i] = f(a[i], b[i], ...) with 16-byte accesses. The layout does not matter if f(0, ...) = 0, because padding holds
// zeros; native/cuda/ops/elementwise.cpp selects the layout. Bound by memory.
#pragma once

#include "kernels/lib/vector.cuh"

namespace spinegrad {

template <class Function, class... Inputs>
__device__ __forceinline__ void pointwise(float* y, int64_t count, Function f, const Inputs*... inputs) {
  const int64_t vectors = count / 4;
  for (int64_t vector = globalThread(); vector < vectors; vector += gridThreads()) {
    const auto applyFour = [&](const auto&... values) {
      Float4 result;
      for (int i = 0; i < 4; ++i) result[i] = f(values[i]...);
      return result;
    };
    store(y + 4 * vector, applyFour(load<Float4>(inputs + 4 * vector)...));
  }
  for (int64_t i = 4 * vectors + globalThread(); i < count; i += gridThreads()) y[i] = f(inputs[i]...);
}

}  // namespace spinegrad
