// Launches of kernels:
//
//     launch("relu_forward", blocksFor(count, 256), 256, 0, x, y, count);
//
// The arguments must have exactly the types of the kernel's parameters. Their sizes are checked if the driver reports
// those of the kernel.
#pragma once

#include <cstddef>
#include <cstdint>

namespace spinegrad::cuda {

struct Dim {
  unsigned x = 1, y = 1, z = 1;
};

/// `arguments` points to `count` arguments of the given sizes.
void launchKernel(const char* kernel, Dim grid, Dim block, size_t dynamicSharedBytes, void** arguments,
                  const size_t* sizes, size_t count);

/// Enqueues a kernel on the stream of the current context.
template <class... Arguments>
void launch(const char* kernel, Dim grid, Dim block, size_t dynamicSharedBytes, const Arguments&... arguments) {
  void* addresses[] = {const_cast<void*>(static_cast<const void*>(&arguments))...};
  constexpr size_t sizes[] = {sizeof(Arguments)...};
  launchKernel(kernel, grid, block, dynamicSharedBytes, addresses, sizes, sizeof...(arguments));
}

/// The number of blocks for a grid-stride loop over `count` elements: at most as many as fill the device.
unsigned blocksFor(int64_t count, unsigned threads);

}  // namespace spinegrad::cuda
