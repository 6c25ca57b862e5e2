// How an operation starts a kernel:
//
//     launch("relu_forward", blocksFor(count, 256), 256, 0, x, y, count);
//
// The arguments must be of the kernel's parameter types, to the byte; where the driver tells the sizes of a kernel's
// parameters, they are compared.
#pragma once

#include <cstddef>
#include <cstdint>

namespace spinegrad::cuda {

struct Dim {
  unsigned x = 1, y = 1, z = 1;
};

/// `sizes` are those of `count` arguments behind `arguments`.
void launchKernel(const char* kernel, Dim grid, Dim block, size_t dynamicSharedBytes, void** arguments,
                  const size_t* sizes, size_t count);

/// Enqueues the kernel of that name on the current context's stream.
template <class... Arguments>
void launch(const char* kernel, Dim grid, Dim block, size_t dynamicSharedBytes, const Arguments&... arguments) {
  void* addresses[] = {const_cast<void*>(static_cast<const void*>(&arguments))...};
  constexpr size_t sizes[] = {sizeof(Arguments)...};
  launchKernel(kernel, grid, block, dynamicSharedBytes, addresses, sizes, sizeof...(arguments));
}

/// Blocks for a loop of `count` rounds that all threads of the grid share: enough to fill the device, no more.
unsigned blocksFor(int64_t count, unsigned threads);

}  // namespace spinegrad::cuda
