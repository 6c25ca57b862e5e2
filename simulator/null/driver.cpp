// libcuda-null.so: a driver of an H200 that allocates no device memory and runs no kernel. It appends each call, with
// its sizes, to the file SPINEGRAD_NULL_CALLS as one line. Downloads are zeros. What the backend requests of a driver
// can so be counted at real shapes in little time: npm run count:calls.
//
// With SPINEGRAD_NULL_HANG=1 no work ever completes, as after a kernel that does not end.
#include <unistd.h>

#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "native/cuda/runtime/api.h"

#define DECLARE(name, symbol, parameters) extern "C" __attribute__((visibility("default"))) CUresult symbol parameters;
SPINEGRAD_CUDA_FUNCTIONS(DECLARE)
#undef DECLARE

struct CUfunc_st {
  std::string name;
};

namespace {

constexpr size_t deviceMemory = size_t{141} << 30;

std::mutex mutex;
thread_local CUcontext current = nullptr;
std::map<std::string, CUfunc_st> functions;
std::atomic<CUdeviceptr> nextAddress = CUdeviceptr{1} << 40;
std::atomic<size_t> nextHandle = 1;
const bool hangs = std::getenv("SPINEGRAD_NULL_HANG") != nullptr;

__attribute__((format(printf, 1, 2))) CUresult record(const char* format, ...) {
  static FILE* const file = [] {
    const char* const path = std::getenv("SPINEGRAD_NULL_CALLS");
    FILE* const opened = path == nullptr ? nullptr : std::fopen(path, "a");
    if (opened != nullptr) std::setvbuf(opened, nullptr, _IOLBF, 1 << 16);
    return opened;
  }();
  if (file == nullptr) return CUDA_SUCCESS;
  const std::lock_guard lock(mutex);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(file, format, arguments);
  va_end(arguments);
  std::fputc('\n', file);
  return CUDA_SUCCESS;
}

template <class Handle>
CUresult create(Handle* handle, const char* call) {
  *handle = reinterpret_cast<Handle>(nextHandle++);
  return record("%s", call);
}

CUresult wait(const char* call) {
  record("%s", call);
  while (hangs) pause();
  return CUDA_SUCCESS;
}

CUresult query(const char* call) {
  record("%s", call);
  return hangs ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

}  // namespace

CUresult cuInit(unsigned) {
  const char* const loading = std::getenv("CUDA_MODULE_LOADING");
  return record("cuInit %s", loading == nullptr ? "" : loading);
}

CUresult cuDriverGetVersion(int* version) {
  *version = 13000;
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult, const char** name) {
  *name = "an error of the null driver";
  return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult, const char** text) {
  *text = "";
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int* count) {
  *count = 1;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  *device = ordinal;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char* name, int length, CUdevice) {
  std::snprintf(name, static_cast<size_t>(length), "spinegrad null driver (no GPU)");
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice) {
  *bytes = deviceMemory;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  static const std::map<CUdevice_attribute, int> attributes{
      {CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 1980000},        {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 132},
      {CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, 3201000}, {CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, 6144},
      {CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 60 << 20},    {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 9},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0}};
  const auto known = attributes.find(attribute);
  if (known == attributes.end()) return CUDA_ERROR_INVALID_VALUE;
  *value = known->second;
  return record("cuDeviceGetAttribute %d", static_cast<int>(attribute));
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) { return create(context, "cuDevicePrimaryCtxRetain"); }

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) { return record("cuDevicePrimaryCtxRelease"); }

CUresult cuCtxSetCurrent(CUcontext context) {
  current = context;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* context) {
  *context = current;
  return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize() { return wait("cuCtxSynchronize"); }

CUresult cuModuleLoadData(CUmodule* module, const void*) { return create(module, "cuModuleLoadData"); }

CUresult cuModuleLoadDataEx(CUmodule* module, const void*, unsigned, CUjit_option*, void**) {
  return create(module, "cuModuleLoadDataEx");
}

CUresult cuModuleUnload(CUmodule) { return record("cuModuleUnload"); }

CUresult cuModuleGetFunction(CUfunction* function, CUmodule, const char* name) {
  const std::lock_guard lock(mutex);
  *function = &functions.try_emplace(name, CUfunc_st{name}).first->second;
  return CUDA_SUCCESS;
}

CUresult cuFuncGetAttribute(int* value, CUfunction_attribute, CUfunction function) {
  *value = 0;
  return record("cuFuncGetAttribute %s", function->name.c_str());
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute, int value) {
  return record("cuFuncSetAttribute %s %d", function->name.c_str(), value);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction, int, size_t) {
  *blocks = 1;
  return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                        unsigned blockY, unsigned blockZ, unsigned dynamicShared, CUstream, void**, void**) {
  return record("cuLaunchKernel %s %u %u %u %u %u %u %u", function->name.c_str(), gridX, gridY, gridZ, blockX, blockY,
                blockZ, dynamicShared);
}

CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
  *address = nextAddress.fetch_add((bytes + 511) / 512 * 512);
  return record("cuMemAlloc %zu", bytes);
}

CUresult cuMemFree_v2(CUdeviceptr) { return record("cuMemFree"); }

CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
  *free = *total = deviceMemory;
  return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  *address = std::calloc(1, bytes);
  return record("cuMemHostAlloc %zu", bytes);
}

CUresult cuMemFreeHost(void* address) {
  std::free(address);
  return record("cuMemFreeHost");
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr, const void*, size_t bytes, CUstream) {
  return record("cuMemcpyHtoDAsync %zu", bytes);
}

CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr, size_t bytes, CUstream) {
  std::memset(to, 0, bytes);
  return record("cuMemcpyDtoHAsync %zu", bytes);
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr, CUdeviceptr, size_t bytes, CUstream) {
  return record("cuMemcpyDtoDAsync %zu", bytes);
}

CUresult cuMemsetD8Async(CUdeviceptr, unsigned char, size_t count, CUstream) {
  return record("cuMemsetD8Async %zu", count);
}

CUresult cuMemsetD32Async(CUdeviceptr, unsigned, size_t count, CUstream) {
  return record("cuMemsetD32Async %zu", 4 * count);
}

CUresult cuStreamCreate(CUstream* stream, unsigned) { return create(stream, "cuStreamCreate"); }
CUresult cuStreamDestroy_v2(CUstream) { return wait("cuStreamDestroy"); }
CUresult cuStreamSynchronize(CUstream) { return wait("cuStreamSynchronize"); }
CUresult cuStreamQuery(CUstream) { return query("cuStreamQuery"); }
CUresult cuStreamWaitEvent(CUstream, CUevent, unsigned) { return record("cuStreamWaitEvent"); }
CUresult cuStreamBeginCapture_v2(CUstream, CUstreamCaptureMode) { return record("cuStreamBeginCapture"); }
CUresult cuStreamEndCapture(CUstream, CUgraph* graph) { return create(graph, "cuStreamEndCapture"); }

CUresult cuStreamIsCapturing(CUstream, CUstreamCaptureStatus* status) {
  *status = CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent* event, unsigned) { return create(event, "cuEventCreate"); }
CUresult cuEventDestroy_v2(CUevent) { return record("cuEventDestroy"); }
CUresult cuEventRecord(CUevent, CUstream) { return record("cuEventRecord"); }
CUresult cuEventQuery(CUevent) { return query("cuEventQuery"); }
CUresult cuEventSynchronize(CUevent) { return wait("cuEventSynchronize"); }

CUresult cuEventElapsedTime(float* milliseconds, CUevent, CUevent) {
  *milliseconds = 0;
  return CUDA_SUCCESS;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph, unsigned long long) {
  return create(executable, "cuGraphInstantiate");
}

CUresult cuGraphLaunch(CUgraphExec, CUstream) { return record("cuGraphLaunch"); }
CUresult cuGraphExecDestroy(CUgraphExec) { return record("cuGraphExecDestroy"); }
CUresult cuGraphDestroy(CUgraph) { return record("cuGraphDestroy"); }
