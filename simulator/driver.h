// Shared by the functions of the simulated libcuda.so.1 (driver*.cpp): contexts and what they own, under one lock. As
// in the real driver, the error of a kernel is returned by the next call that waits, and by every call from then on.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "native/cuda/runtime/api.h"
#include "simulator/report.h"
#include "simulator/settings.h"
#include "simulator/sharedMemory.h"
#include "simulator/stream.h"

#define DECLARE(name, symbol, parameters) extern "C" __attribute__((visibility("default"))) CUresult symbol parameters;
SPINEGRAD_CUDA_FUNCTIONS(DECLARE)
SPINEGRAD_CUDA_OPTIONAL_FUNCTIONS(DECLARE)
#undef DECLARE

// Handles point to these.
struct CUctx_st {
  int references = 0;
  size_t allocated = 0;
  std::set<spinegrad::simulator::Stream*> streams;
};
struct CUmod_st {};
struct CUfunc_st {
  const spinegrad::simulator::Kernel* kernel;
  size_t maxDynamicShared = spinegrad::simulator::SharedMemory::maxDefault;
  bool optedInShared = false;
};

namespace spinegrad::simulator {

struct Driver {
  std::recursive_mutex mutex;
  std::vector<CUctx_st> contexts{static_cast<size_t>(settings().devices)};
  std::map<CUdeviceptr, CUctx_st*> owners;  // the context of each allocation
  std::map<const char*, size_t> pinned;     // pinned host memory, which streams may access later
  std::map<std::string, CUfunc_st> functions;
  CUresult failure = CUDA_SUCCESS;
  bool initialized = false;
};

Driver& driver();

/// The current context of the calling thread.
extern thread_local CUcontext current;

/// Writes the reason to stderr and returns `result`.
CUresult reject(CUresult result, const std::string& why);
/// Makes every later call return this error.
CUresult fail(CUresult result);

/// Runs a call under the lock, unless the driver has failed, is not initialized, or `name` is set to fail.
template <class Call>
CUresult guarded(Call call, const char* name = __builtin_FUNCTION()) {
  const std::lock_guard lock(driver().mutex);
  if (name == settings().failing) return static_cast<CUresult>(settings().result);
  if (!driver().initialized) return CUDA_ERROR_NOT_INITIALIZED;
  return driver().failure != CUDA_SUCCESS ? driver().failure : call();
}

/// The same for a call that needs a current context.
template <class Call>
CUresult inContext(Call call, const char* name = __builtin_FUNCTION()) {
  return guarded([&] { return current ? call(*current) : CUDA_ERROR_INVALID_CONTEXT; }, name);
}

/// The stream of a handle, or null. Stream 0 exists in every context; it and the other streams wait for each other, so
/// its work runs at once.
Stream* streamOf(CUctx_st& context, CUstream handle);
CUresult enqueue(CUctx_st& context, CUstream handle, Work work);
CUresult wait(CUctx_st& context, CUstream handle);
/// As after a wait for a stream that is being captured.
CUresult invalidate(Stream& stream);
CUresult waitForAll(CUctx_st& context);

}  // namespace spinegrad::simulator
