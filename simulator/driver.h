// What the functions of the simulated libcuda.so.1 share (driver*.cpp): the devices' contexts and what they own. One
// lock serves all. As on the real driver, an error of a kernel comes out at the next call that waits, and from then on
// every call gives it.
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

// Handles are pointers to these.
struct CUctx_st {
  int references = 0;
  size_t allocated = 0;
  std::set<spinegrad::simulator::Stream*> streams;
};
struct CUmod_st {};
struct CUfunc_st {
  const spinegrad::simulator::Kernel* kernel;
  size_t mostDynamicShared = spinegrad::simulator::SharedMemory::withoutAsking;
  bool hasAskedForShared = false;
};

namespace spinegrad::simulator {

struct Driver {
  std::recursive_mutex mutex;
  std::vector<CUctx_st> contexts{static_cast<size_t>(settings().devices)};
  std::map<CUdeviceptr, CUctx_st*> owners;  // of allocations
  std::map<const char*, size_t> pinned;     // host memory that streams may read and write later
  std::map<std::string, CUfunc_st> functions;
  CUresult failure = CUDA_SUCCESS;
  bool initialized = false;
};

Driver& driver();

/// The context of the calling thread.
extern thread_local CUcontext current;

/// Says why on stderr.
CUresult refuse(CUresult result, const std::string& why);
/// The driver gives this error from now on.
CUresult failed(CUresult result);

/// Runs a call with the lock held, if the driver is in a state to run any, and `name` is not the one that shall fail.
template <class Call>
CUresult guarded(Call call, const char* name = __builtin_FUNCTION()) {
  const std::lock_guard lock(driver().mutex);
  if (name == settings().failing) return static_cast<CUresult>(settings().result);
  if (!driver().initialized) return CUDA_ERROR_NOT_INITIALIZED;
  return driver().failure != CUDA_SUCCESS ? driver().failure : call();
}

/// The same for calls that need a current context.
template <class Call>
CUresult inContext(Call call, const char* name = __builtin_FUNCTION()) {
  return guarded([&] { return current ? call(*current) : CUDA_ERROR_INVALID_CONTEXT; }, name);
}

/// Null if there is no such stream. Stream 0 is the one that every context has. It waits for all others, and they for
/// it: so it puts nothing off.
Stream* streamOf(CUctx_st& context, CUstream handle);
CUresult enqueue(CUctx_st& context, CUstream handle, Work work);
CUresult wait(CUctx_st& context, CUstream handle);
CUresult waitForAll(CUctx_st& context);

}  // namespace spinegrad::simulator
