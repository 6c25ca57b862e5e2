// Device memory, pinned host memory, and copies.
#include <cstdlib>
#include <cstring>

#include "simulator/checker.h"
#include "simulator/driver.h"
#include "simulator/globalMemory.h"

using namespace spinegrad::simulator;

namespace {

bool isPinned(const void* address, size_t bytes) {
  const char* const at = static_cast<const char*>(address);
  auto after = driver().pinned.upper_bound(at);
  if (after == driver().pinned.begin()) return false;
  const auto& [from, size] = *--after;
  return at + bytes <= from + size;
}

/// Enqueues a transfer after checking that its device side is one allocation.
CUresult transfer(const char* what, CUdeviceptr device, size_t bytes, CUctx_st& context, CUstream stream, Work work) {
  if (bytes && !globalMemory::contains(reinterpret_cast<void*>(device), bytes))
    return reject(CUDA_ERROR_INVALID_VALUE,
                  format("%s of %zu bytes at %llx, which are not in one device allocation", what, bytes, device));
  return enqueue(context, stream, std::move(work));
}

}  // namespace

CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  return inContext([&](CUctx_st& context) {
    if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    if (context.allocated + bytes > settings().memory) return CUDA_ERROR_OUT_OF_MEMORY;
    void* const memory = globalMemory::allocate(bytes);
    if (!memory) return CUDA_ERROR_OUT_OF_MEMORY;
    context.allocated += bytes;
    *address = reinterpret_cast<CUdeviceptr>(memory);
    driver().owners[*address] = &context;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  return inContext([&](CUctx_st& context) {
    if (!address) return CUDA_SUCCESS;
    if (const CUresult result = waitForAll(context); result != CUDA_SUCCESS) return result;
    const auto owner = driver().owners.find(address);
    if (owner == driver().owners.end())
      return reject(CUDA_ERROR_INVALID_VALUE, format("cuMemFree of %llx, which is not allocated", address));
    std::string damage;
    owner->second->allocated -= globalMemory::free(reinterpret_cast<void*>(address), damage);
    driver().owners.erase(owner);
    if (damage.empty()) return CUDA_SUCCESS;
    return fail(reject(CUDA_ERROR_ILLEGAL_ADDRESS, damage + ", found when the allocation was freed"));
  });
}

CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  return inContext([&](CUctx_st& context) {
    *total = settings().memory;
    *free = *total - context.allocated;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  return inContext([&](CUctx_st&) {
    *address = malloc(bytes);
    if (!*address) return CUDA_ERROR_OUT_OF_MEMORY;
    driver().pinned[static_cast<const char*>(*address)] = bytes;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemFreeHost(void* address) {
  return inContext([&](CUctx_st& context) {
    if (const CUresult result = waitForAll(context); result != CUDA_SUCCESS) return result;
    if (!driver().pinned.erase(static_cast<const char*>(address))) return CUDA_ERROR_INVALID_VALUE;
    free(address);
    return CUDA_SUCCESS;
  });
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, size_t bytes, CUstream stream) {
  return inContext([&](CUctx_st& context) {
    void* const target = reinterpret_cast<void*>(to);
    if (isPinned(from, bytes))
      return transfer("copy to", to, bytes, context, stream, [target, from, bytes] {
        memcpy(target, from, bytes);
        checker::written(target, bytes);
        return CUDA_SUCCESS;
      });
    const char* const begin = static_cast<const char*>(from);
    return transfer("copy to", to, bytes, context, stream, [target, copy = std::vector<char>(begin, begin + bytes)] {
      memcpy(target, copy.data(), copy.size());
      checker::written(target, copy.size());
      return CUDA_SUCCESS;
    });
  });
}

CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return inContext([&](CUctx_st& context) {
    const CUresult result = transfer("copy from", from, bytes, context, stream, [to, from, bytes] {
      memcpy(to, reinterpret_cast<const void*>(from), bytes);
      return CUDA_SUCCESS;
    });
    return result == CUDA_SUCCESS && !isPinned(to, bytes) ? wait(context, stream) : result;
  });
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return inContext([&](CUctx_st& context) {
    if (bytes && !globalMemory::contains(reinterpret_cast<const void*>(from), bytes))
      return reject(CUDA_ERROR_INVALID_VALUE, format("copy from %llx, which is not in one allocation", from));
    return transfer("copy to", to, bytes, context, stream, [to, from, bytes] {
      memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
      checker::copied(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
      return CUDA_SUCCESS;
    });
  });
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  return inContext([&](CUctx_st& context) {
    return transfer("memset", to, count, context, stream, [to, value, count] {
      memset(reinterpret_cast<void*>(to), value, count);
      checker::written(reinterpret_cast<void*>(to), count);
      return CUDA_SUCCESS;
    });
  });
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  return inContext([&](CUctx_st& context) {
    return transfer("memset", to, 4 * count, context, stream, [to, value, count] {
      unsigned* const words = reinterpret_cast<unsigned*>(to);
      for (size_t i = 0; i < count; ++i) words[i] = value;
      checker::written(words, 4 * count);
      return CUDA_SUCCESS;
    });
  });
}
