// y[i] = f(a[i], b[i], ...): four elements an access, whatever the layout, since padding holds zeros and f(0, ...) is 0
// for every function used so. Bound by memory: the bytes in and out, once.
#pragma once

#include "kernels/lib/vector.cuh"

namespace spinegrad {

template <class Function, class... Inputs>
__device__ __forceinline__ void pointwise(float* y, int64_t count, Function f, const Inputs*... inputs) {
  const int64_t packs = count / 4;
  for (int64_t pack = globalThread(); pack < packs; pack += allThreads()) {
    const auto four = [&](const auto&... values) {
      Float4 result;
      for (int i = 0; i < 4; ++i) result[i] = f(values[i]...);
      return result;
    };
    store(y + 4 * pack, four(load<Float4>(inputs + 4 * pack)...));
  }
  for (int64_t i = 4 * packs + globalThread(); i < count; i += allThreads()) y[i] = f(inputs[i]...);
}

}  // namespace spinegrad
