#include "native/cuda/runtime/launch.h"

#include <algorithm>
#include <string>

#include "native/cuda/runtime/context.h"
#include "native/engine/error.h"

namespace spinegrad::cuda {
namespace {

void compareParameters(const char* name, const std::vector<size_t>& expected, const size_t* sizes, size_t count) {
  if (std::equal(expected.begin(), expected.end(), sizes, sizes + count)) return;
  std::string text = "the kernel '" + std::string(name) + "' expects parameters of";
  for (size_t bytes : expected) text.append(" ").append(std::to_string(bytes));
  text += " bytes, but the launch passes";
  for (size_t i = 0; i < count; ++i) text.append(" ").append(std::to_string(sizes[i]));
  throw Error("ERR_INTERNAL", text);
}

}  // namespace

void launchKernel(const char* name, Dim grid, Dim block, size_t dynamicSharedBytes, void** arguments,
                  const size_t* sizes, size_t count) {
  Context& context = currentContext();
  Kernel& kernel = context.kernel(name);
  if (!kernel.parameters.empty()) compareParameters(name, kernel.parameters, sizes, count);
  if (dynamicSharedBytes > kernel.dynamicShared) {
    SPINEGRAD_CUDA(cuFuncSetAttribute, kernel.function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                   static_cast<int>(dynamicSharedBytes));
    kernel.dynamicShared = dynamicSharedBytes;
  }
  CUresult result =
      driver().cuLaunchKernel(kernel.function, grid.x, grid.y, grid.z, block.x, block.y, block.z,
                              static_cast<unsigned>(dynamicSharedBytes), context.stream(), arguments, nullptr);
  // A stream that is being captured cannot be synchronized.
  if (result == CUDA_SUCCESS && context.settings().synchronous && context.capture() == nullptr) {
    result = context.waitForStream();
  }
  if (result != CUDA_SUCCESS) {
    const std::string call = "cuLaunchKernel(" + std::string(name) + ")";
    check(result, call.c_str(), __FILE__, __LINE__);
  }
}

unsigned blocksFor(int64_t count, unsigned threads) {
  constexpr int64_t threadsPerMultiprocessor = 2048;
  const int64_t maxBlocks = currentContext().multiprocessors() * (threadsPerMultiprocessor / threads);
  return static_cast<unsigned>(std::clamp<int64_t>((count + threads - 1) / threads, 1, maxBlocks));
}

}  // namespace spinegrad::cuda
