// Initialization, errors, devices and contexts.
#include "simulator/driver.h"

#include <cstdio>
#include <utility>

namespace spinegrad::simulator {

Driver& driver() {
  static Driver& driver = *new Driver;
  return driver;
}

thread_local CUcontext current = nullptr;

CUresult reject(CUresult result, const std::string& why) {
  report(why);
  return result;
}

CUresult fail(CUresult result) { return driver().failure = result; }

Stream* streamOf(CUctx_st& context, CUstream handle) {
  static Stream& none = *new Stream;
  if (!handle) return &none;
  Stream* const stream = reinterpret_cast<Stream*>(handle);
  return context.streams.count(stream) ? stream : nullptr;
}

CUresult waitForAll(CUctx_st& context) {
  for (Stream* const stream : context.streams) {
    if (const CUresult result = stream->drain(); result != CUDA_SUCCESS) return fail(result);
  }
  return CUDA_SUCCESS;
}

CUresult enqueue(CUctx_st& context, CUstream handle, Work work) {
  Stream* const stream = streamOf(context, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  stream->add(std::move(work));
  if (handle) return CUDA_SUCCESS;
  if (const CUresult result = waitForAll(context); result != CUDA_SUCCESS) return result;
  const CUresult result = stream->drain();
  return result == CUDA_SUCCESS ? result : fail(result);
}

CUresult invalidate(Stream& stream) {
  stream.capture->invalidated = true;
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult wait(CUctx_st& context, CUstream handle) {
  Stream* const stream = streamOf(context, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture) return invalidate(*stream);
  const CUresult result = stream->drain();
  return result == CUDA_SUCCESS ? result : fail(result);
}

}  // namespace spinegrad::simulator

using namespace spinegrad::simulator;

namespace {

/// The attributes of a small device.
const std::pair<CUdevice_attribute, int> attributes[] = {
    {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 1024},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, 1024},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y, 1024},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, 64},
    {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, 0x7fffffff},
    {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, 65535},
    {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z, 65535},
    {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, SharedMemory::maxDefault},
    {CU_DEVICE_ATTRIBUTE_WARP_SIZE, 32},
    {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK, 65536},
    {CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 1000000},
    {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 4},
    {CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, 1000000},
    {CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, 128},
    {CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 4 << 20},
    {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, 2048},
    {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, settings().capability / 10},
    {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, settings().capability % 10},
    {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 228 * 1024},
    {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR, 65536},
    {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, SharedMemory::maxOptIn},
};

}  // namespace

CUresult cuInit(unsigned) {
  if (settings().failing == "cuInit") return static_cast<CUresult>(settings().result);
  if (settings().devices == 0) return CUDA_ERROR_NO_DEVICE;
  driver().initialized = true;
  return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int* version) {
  *version = settings().version;
  return CUDA_SUCCESS;
}

namespace {
struct ErrorText {
  CUresult error;
  const char *name, *text;
};
#define ERROR(error, text) \
  { error, #error, text }
constexpr ErrorText errorTexts[] = {
    ERROR(CUDA_SUCCESS, "no error"),
    ERROR(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    ERROR(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    ERROR(CUDA_ERROR_NOT_INITIALIZED, "cuInit was not called"),
    ERROR(CUDA_ERROR_NO_DEVICE, "no device"),
    ERROR(CUDA_ERROR_INVALID_DEVICE, "no such device"),
    ERROR(CUDA_ERROR_INVALID_CONTEXT, "no context is current"),
    ERROR(CUDA_ERROR_INVALID_HANDLE, "invalid handle"),
    ERROR(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
    ERROR(CUDA_ERROR_NOT_READY, "not ready yet"),
    ERROR(CUDA_ERROR_ILLEGAL_ADDRESS, "a kernel accessed memory that is not allocated"),
    ERROR(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "a launch needs more resources than the device has"),
    ERROR(CUDA_ERROR_LAUNCH_TIMEOUT, "a kernel ran too long"),
    ERROR(CUDA_ERROR_LAUNCH_FAILED, "a kernel failed; the simulator's report is on stderr"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "not permitted while a stream is being captured"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "a call during the capture has invalidated it"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the stream is not being captured"),
};
#undef ERROR

const ErrorText* textOf(CUresult error) {
  for (const ErrorText& text : errorTexts) {
    if (text.error == error) return &text;
  }
  return nullptr;
}
}  // namespace

CUresult cuGetErrorName(CUresult error, const char** name) {
  const ErrorText* const text = textOf(error);
  *name = text ? text->name : nullptr;
  return text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult error, const char** string) {
  const ErrorText* const text = textOf(error);
  *string = text ? text->text : nullptr;
  return text ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDeviceGetCount(int* count) {
  return guarded([&] {
    *count = settings().devices;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  return guarded([&] {
    if (ordinal < 0 || ordinal >= settings().devices) return CUDA_ERROR_INVALID_DEVICE;
    *device = ordinal;
    return CUDA_SUCCESS;
  });
}

CUresult cuDeviceGetName(char* name, int length, CUdevice) {
  snprintf(name, static_cast<size_t>(length), "spinegrad simulator (no GPU)");
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice) {
  *bytes = settings().memory;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice) {
  for (const auto& [known, its] : attributes) {
    if (known != attribute) continue;
    *value = its;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return guarded([&] {
    if (device < 0 || device >= settings().devices) return CUDA_ERROR_INVALID_DEVICE;
    *context = &driver().contexts[static_cast<size_t>(device)];
    ++(*context)->references;
    return CUDA_SUCCESS;
  });
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  const std::lock_guard lock(driver().mutex);
  if (device < 0 || device >= settings().devices) return CUDA_ERROR_INVALID_DEVICE;
  CUctx_st& context = driver().contexts[static_cast<size_t>(device)];
  if (context.references == 0) return CUDA_ERROR_INVALID_CONTEXT;
  --context.references;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context) {
  current = context;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* context) {
  *context = current;
  return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize() { return inContext(waitForAll); }
