// Kernels that go over all stored elements, whatever the layout, four at a time (kernels/lib/pointwise.cuh); the count
// is their last parameter.
#pragma once

#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"

namespace spinegrad::cuda {

template <class... Arguments>
void launchPointwise(const char* kernel, const Tensor& shaped, const Arguments&... arguments) {
  const auto count = static_cast<int64_t>(storedElements(shaped));
  launch(kernel, {blocksFor((count + 3) / 4, 256)}, {256}, 0, arguments..., count);
}

}  // namespace spinegrad::cuda
