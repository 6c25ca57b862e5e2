// Modules, functions and launches. The kernels are part of this library; the image of a module is ignored.
#include <cstring>

#include "simulator/driver.h"
#include "simulator/grid.h"

using namespace spinegrad::simulator;

namespace {

/// The parameters of a kernel, copied at the launch as CUDA does.
class Arguments {
 public:
  Arguments(const Kernel& kernel, void** from) {
    for (size_t i = 0; i < kernel.parameterCount; ++i) put(kernel.parameters[i], static_cast<const char*>(from[i]));
  }
  Arguments(const Kernel& kernel, const char* buffer) {
    for (size_t i = 0; i < kernel.parameterCount; ++i) put(kernel.parameters[i], buffer + kernel.parameters[i].offset);
  }

  std::vector<void*> pointers() {
    std::vector<void*> pointers;
    for (const size_t offset : offsets_) pointers.push_back(bytes_.data() + offset);
    return pointers;
  }

  static size_t bytesOf(const Kernel& kernel) {
    if (kernel.parameterCount == 0) return 0;
    const Parameter& last = kernel.parameters[kernel.parameterCount - 1];
    return last.offset + last.size;
  }

 private:
  void put(const Parameter& parameter, const char* from) {
    offsets_.push_back(parameter.offset);
    bytes_.resize(parameter.offset + parameter.size);
    memcpy(bytes_.data() + parameter.offset, from, parameter.size);
  }

  std::vector<char> bytes_;
  std::vector<size_t> offsets_;
};

/// Why CUDA would reject the size of a launch; empty if it would not.
std::string launchError(const CUfunc_st& function, Index blocks, Index threads, unsigned dynamicShared) {
  const Kernel& kernel = *function.kernel;
  const uint64_t perBlock = uint64_t{threads.x} * threads.y * threads.z;
  if (perBlock == 0 || threads.z > 64) return format("a block of %s threads", format(threads).c_str());
  if (perBlock > kernel.maxThreads)
    return format("%llu threads per block, the kernel allows at most %u", static_cast<unsigned long long>(perBlock),
                  kernel.maxThreads);
  if (!blocks.x || !blocks.y || !blocks.z || blocks.x > 0x7fffffff || blocks.y > 65535 || blocks.z > 65535)
    return format("a grid of %s blocks", format(blocks).c_str());
  if (dynamicShared > function.maxDynamicShared)
    return format("%u bytes of dynamic shared memory, the limit is %zu (up to %zu with cuFuncSetAttribute)",
                  dynamicShared, function.maxDynamicShared, SharedMemory::maxOptIn);
  return {};
}

}  // namespace

CUresult cuModuleLoadData(CUmodule* module, const void*) {
  return inContext([&](CUctx_st&) {
    *module = new CUmod_st;
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned, CUjit_option*, void**) {
  return cuModuleLoadData(module, image);
}

CUresult cuModuleUnload(CUmodule module) {
  delete module;
  return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction* function, CUmodule, const char* name) {
  return guarded([&] {
    const Kernel* const kernel = findKernel(name);
    if (!kernel) return CUDA_ERROR_NOT_FOUND;
    *function = &driver().functions.try_emplace(name, CUfunc_st{kernel}).first->second;
    return CUDA_SUCCESS;
  });
}

CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction function) {
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = static_cast<int>(function->kernel->maxThreads);
      break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      *value = static_cast<int>(function->maxDynamicShared);
      break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:  // unknown until the kernel runs
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      *value = 0;
      break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      *value = 32;
      break;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) return CUDA_SUCCESS;
  if (value < 0 || static_cast<size_t>(value) > SharedMemory::maxOptIn)
    return reject(CUDA_ERROR_INVALID_VALUE,
                  format("%d bytes of dynamic shared memory for `%s`, a block can have at most %zu", value,
                         function->kernel->name, SharedMemory::maxOptIn));
  function->maxDynamicShared = static_cast<size_t>(value);
  function->optedInShared = true;
  return CUDA_SUCCESS;
}

CUresult cuFuncGetParamInfo(CUfunction function, size_t index, size_t* offset, size_t* bytes) {
  if (index >= function->kernel->parameterCount) return CUDA_ERROR_INVALID_VALUE;
  const Parameter& parameter = function->kernel->parameters[index];
  *offset = parameter.offset;
  if (bytes) *bytes = parameter.size;
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction, int threads, size_t dynamicShared) {
  const size_t byThreads = 2048 / static_cast<size_t>(threads), byShared = 228 * 1024 / (dynamicShared + 1024);
  *blocks = static_cast<int>(byThreads < byShared ? byThreads : byShared);
  return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                        unsigned blockY, unsigned blockZ, unsigned dynamicShared, CUstream stream, void** parameters,
                        void** extra) {
  return inContext([&](CUctx_st& context) {
    const Kernel& kernel = *function->kernel;
    const Index blocks{gridX, gridY, gridZ}, threads{blockX, blockY, blockZ};
    if (const std::string why = launchError(*function, blocks, threads, dynamicShared); !why.empty())
      return reject(CUDA_ERROR_INVALID_VALUE, format("launch of `%s`: %s", kernel.name, why.c_str()));
    const char* buffer = nullptr;
    for (; extra && *extra; extra += 2) {
      if (reinterpret_cast<size_t>(extra[0]) == CU_LAUNCH_PARAM_BUFFER_POINTER) {
        buffer = static_cast<const char*>(extra[1]);
      } else if (const size_t bytes = *static_cast<const size_t*>(extra[1]); bytes != Arguments::bytesOf(kernel)) {
        return reject(CUDA_ERROR_INVALID_VALUE, format("launch of `%s`: found %zu bytes of parameters, expected %zu",
                                                       kernel.name, bytes, Arguments::bytesOf(kernel)));
      }
    }
    if (kernel.parameterCount && !parameters && !buffer)
      return reject(CUDA_ERROR_INVALID_VALUE, format("launch of `%s`: no parameters", kernel.name));
    return enqueue(context, stream,
                   [&kernel, blocks, threads, dynamicShared, optedIn = function->optedInShared,
                    arguments = buffer ? Arguments(kernel, buffer) : Arguments(kernel, parameters)]() mutable {
                     std::vector<void*> pointers = arguments.pointers();
                     return run({kernel, blocks, threads, dynamicShared, optedIn, pointers.data()});
                   });
  });
}
