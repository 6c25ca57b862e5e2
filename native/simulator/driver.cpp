// The functions of libcuda.so.1 (native/cuda/api.h) over the simulated devices. One lock serves all. As on the real
// driver, an error of a kernel comes out at the next call that waits, and from then on every call gives it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include "native/cuda/api.h"
#include "native/simulator/checker.h"
#include "native/simulator/globalMemory.h"
#include "native/simulator/grid.h"
#include "native/simulator/report.h"
#include "native/simulator/settings.h"
#include "native/simulator/stream.h"

#define DECLARE(name, symbol, parameters) extern "C" __attribute__((visibility("default"))) CUresult symbol parameters;
SPINEGRAD_CUDA_FUNCTIONS(DECLARE)
SPINEGRAD_CUDA_OPTIONAL_FUNCTIONS(DECLARE)

using namespace spinegrad::simulator;

// Handles are pointers to these.
struct CUctx_st {
  int references = 0;
  size_t allocated = 0;
  std::set<Stream*> streams;
};
struct CUmod_st {};
struct CUfunc_st {
  const Kernel* kernel;
  size_t mostDynamicShared = SharedMemory::withoutAsking;
  bool hasAskedForShared = false;
};

namespace {

struct Driver {
  std::recursive_mutex mutex;
  std::vector<CUctx_st> contexts{static_cast<size_t>(settings().devices)};
  std::map<CUdeviceptr, CUctx_st*> owners;  // of allocations
  std::map<const char*, size_t> pinned;     // host memory that streams may read and write later
  std::map<std::string, CUfunc_st> functions;
  CUresult failure = CUDA_SUCCESS;
  bool initialized = false;
};

Driver& driver() {
  static Driver& driver = *new Driver;
  return driver;
}

thread_local CUcontext current = nullptr;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

CUresult refuse(CUresult result, const std::string& why) {
  report(why);
  return result;
}

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

CUresult failed(CUresult result) { return driver().failure = result; }

/// Stream 0 is the one that every context has. It waits for all others, and they for it: so it puts nothing off.
Stream* streamOf(CUctx_st& context, CUstream handle) {
  static Stream& none = *new Stream;
  if (!handle) return &none;
  Stream* const stream = reinterpret_cast<Stream*>(handle);
  return context.streams.count(stream) ? stream : nullptr;
}

CUresult drainAll(CUctx_st& context) {
  for (Stream* const stream : context.streams) {
    if (const CUresult result = stream->drain(); result != CUDA_SUCCESS) return failed(result);
  }
  return CUDA_SUCCESS;
}

CUresult enqueue(CUctx_st& context, CUstream handle, Work work) {
  Stream* const stream = streamOf(context, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  stream->add(std::move(work));
  if (handle) return CUDA_SUCCESS;
  if (const CUresult result = drainAll(context); result != CUDA_SUCCESS) return result;
  const CUresult result = stream->drain();
  return result == CUDA_SUCCESS ? result : failed(result);
}

CUresult wait(CUctx_st& context, CUstream handle) {
  Stream* const stream = streamOf(context, handle);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  const CUresult result = stream->drain();
  return result == CUDA_SUCCESS ? result : failed(result);
}

bool isPinned(const void* address, size_t bytes) {
  const char* const at = static_cast<const char*>(address);
  auto after = driver().pinned.upper_bound(at);
  if (after == driver().pinned.begin()) return false;
  const auto& [from, size] = *--after;
  return at + bytes <= from + size;
}

/// A transfer that begins once all is well with its device side.
CUresult transfer(const char* what, CUdeviceptr device, size_t bytes, CUctx_st& context, CUstream stream, Work work) {
  if (bytes && !globalMemory::contains(reinterpret_cast<void*>(device), bytes))
    return refuse(
        CUDA_ERROR_INVALID_VALUE,
        format("%s of %zu bytes at %llx, which are not in one allocation of the device", what, bytes, device));
  return enqueue(context, stream, std::move(work));
}

int attributeOf(CUdevice_attribute attribute) {
  switch (attribute) {  // of a small device of compute capability 9.0
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
      return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
      return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
      return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
      return 0x7fffffff;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
      return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
      return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
      return SharedMemory::withoutAsking;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
      return 32;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
      return 65536;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
      return 1000000;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      return 4;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE:
      return 1000000;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH:
      return 128;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
      return 4 << 20;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
      return 2048;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      return 9;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      return 0;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR:
      return 228 * 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR:
      return 65536;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
      return SharedMemory::most;
  }
  return -1;
}

/// A kernel's parameters, copied at the launch: the caller may change his the moment after.
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

/// What CUDA says of the size of a launch; empty if nothing.
std::string objection(const CUfunc_st& function, Index blocks, Index threads, unsigned dynamicShared) {
  const Kernel& kernel = *function.kernel;
  const uint64_t perBlock = uint64_t{threads.x} * threads.y * threads.z;
  if (perBlock == 0 || threads.z > 64) return format("a block of %s threads", format(threads).c_str());
  if (perBlock > kernel.mostThreads)
    return format("%llu threads a block, the kernel is made for at most %u", static_cast<unsigned long long>(perBlock),
                  kernel.mostThreads);
  if (!blocks.x || !blocks.y || !blocks.z || blocks.x > 0x7fffffff || blocks.y > 65535 || blocks.z > 65535)
    return format("a grid of %s blocks", format(blocks).c_str());
  if (dynamicShared > function.mostDynamicShared)
    return format("%u bytes of dynamic shared memory, %zu are allowed (cuFuncSetAttribute can allow %zu)",
                  dynamicShared, function.mostDynamicShared, SharedMemory::most);
  return {};
}

}  // namespace

CUresult cuInit(unsigned) {
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
    ERROR(CUDA_ERROR_ILLEGAL_ADDRESS, "a kernel accessed memory that is not its own"),
    ERROR(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "a launch asks for more than a device has"),
    ERROR(CUDA_ERROR_LAUNCH_TIMEOUT, "a kernel ran too long"),
    ERROR(CUDA_ERROR_LAUNCH_FAILED, "a kernel failed; the simulator's report is on stderr"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "not possible while a stream is being recorded"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "the stream is not being recorded"),
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
  *value = attributeOf(attribute);
  return *value < 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
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

CUresult cuCtxSynchronize() { return inContext(drainAll); }

CUresult cuModuleLoadData(CUmodule* module, const void*) {
  // The kernels are part of this library, whatever the image holds.
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
      *value = static_cast<int>(function->kernel->mostThreads);
      break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      *value = static_cast<int>(function->mostDynamicShared);
      break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:  // known only once the kernel runs
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
  if (value < 0 || static_cast<size_t>(value) > SharedMemory::most)
    return refuse(CUDA_ERROR_INVALID_VALUE, format("%d bytes of dynamic shared memory for `%s`, a block can have %zu",
                                                   value, function->kernel->name, SharedMemory::most));
  function->mostDynamicShared = static_cast<size_t>(value);
  function->hasAskedForShared = true;
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
    if (const std::string why = objection(*function, blocks, threads, dynamicShared); !why.empty())
      return refuse(CUDA_ERROR_INVALID_VALUE, format("launch of `%s`: %s", kernel.name, why.c_str()));
    const char* buffer = nullptr;
    for (; extra && *extra; extra += 2) {
      if (reinterpret_cast<size_t>(extra[0]) == CU_LAUNCH_PARAM_BUFFER_POINTER) {
        buffer = static_cast<const char*>(extra[1]);
      } else if (const size_t bytes = *static_cast<const size_t*>(extra[1]); bytes != Arguments::bytesOf(kernel)) {
        return refuse(CUDA_ERROR_INVALID_VALUE, format("launch of `%s`: %zu bytes of parameters, it takes %zu",
                                                       kernel.name, bytes, Arguments::bytesOf(kernel)));
      }
    }
    if (kernel.parameterCount && !parameters && !buffer)
      return refuse(CUDA_ERROR_INVALID_VALUE, format("launch of `%s`: no parameters", kernel.name));
    return enqueue(context, stream,
                   [&kernel, blocks, threads, dynamicShared, asked = function->hasAskedForShared,
                    arguments = buffer ? Arguments(kernel, buffer) : Arguments(kernel, parameters)]() mutable {
                     std::vector<void*> pointers = arguments.pointers();
                     return run({kernel, blocks, threads, dynamicShared, asked, pointers.data()});
                   });
  });
}

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
    if (const CUresult result = drainAll(context); result != CUDA_SUCCESS) return result;
    const auto owner = driver().owners.find(address);
    if (owner == driver().owners.end())
      return refuse(CUDA_ERROR_INVALID_VALUE, format("cuMemFree of %llx, which is not allocated", address));
    std::string damage;
    owner->second->allocated -= globalMemory::free(reinterpret_cast<void*>(address), damage);
    driver().owners.erase(owner);
    if (damage.empty()) return CUDA_SUCCESS;
    return failed(refuse(CUDA_ERROR_ILLEGAL_ADDRESS, damage + ", found when it was freed"));
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
    if (const CUresult result = drainAll(context); result != CUDA_SUCCESS) return result;
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
      return refuse(CUDA_ERROR_INVALID_VALUE, format("copy from %llx, which is not in one allocation", from));
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

CUresult cuStreamCreate(CUstream* stream, unsigned) {
  return inContext([&](CUctx_st& context) {
    Stream* const made = new Stream;
    context.streams.insert(made);
    *stream = reinterpret_cast<CUstream>(made);
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamDestroy_v2(CUstream handle) {
  return inContext([&](CUctx_st& context) {
    if (const CUresult result = wait(context, handle); result != CUDA_SUCCESS) return result;
    Stream* const stream = reinterpret_cast<Stream*>(handle);
    context.streams.erase(stream);
    delete stream;
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamSynchronize(CUstream stream) {
  return inContext([&](CUctx_st& context) { return wait(context, stream); });
}

CUresult cuStreamQuery(CUstream handle) {
  return inContext([&](CUctx_st& context) {
    Stream* const stream = streamOf(context, handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->work.empty()) return CUDA_SUCCESS;
    const size_t before = stream->work.size();  // time passes for who asks again and again
    const CUresult result = stream->drain([&] { return stream->work.size() < before; });
    return result == CUDA_SUCCESS ? CUDA_ERROR_NOT_READY : failed(result);
  });
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent handle, unsigned) {
  return inContext([&](CUctx_st& context) {
    Event* const event = reinterpret_cast<Event*>(handle);
    return enqueue(context, stream, [event, target = event->recorded] {
      return event->stream ? event->stream->drain([&] { return event->reached >= target; }) : CUDA_SUCCESS;
    });
  });
}

CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode) {
  return inContext([&](CUctx_st& context) {
    Stream* const stream = streamOf(context, handle);
    if (!stream || !handle) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    stream->capture = std::make_shared<Graph>();
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph* graph) {
  return inContext([&](CUctx_st& context) {
    Stream* const stream = streamOf(context, handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (!stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
    *graph = reinterpret_cast<CUgraph>(new Graph(std::move(*stream->capture)));
    stream->capture = nullptr;
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
  return inContext([&](CUctx_st& context) {
    const Stream* const stream = streamOf(context, handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    *status = stream->capture ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
    return CUDA_SUCCESS;
  });
}

CUresult cuEventCreate(CUevent* event, unsigned) {
  return inContext([&](CUctx_st&) {
    *event = reinterpret_cast<CUevent>(new Event);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventDestroy_v2(CUevent event) {
  return inContext([&](CUctx_st& context) {
    const CUresult result = drainAll(context);
    delete reinterpret_cast<Event*>(event);
    return result;
  });
}

CUresult cuEventRecord(CUevent handle, CUstream stream) {
  return inContext([&](CUctx_st& context) {
    Event* const event = reinterpret_cast<Event*>(handle);
    event->stream = streamOf(context, stream);
    return enqueue(context, stream, [event, target = ++event->recorded] {
      event->reached = target;
      event->seconds = now();
      return CUDA_SUCCESS;
    });
  });
}

CUresult cuEventQuery(CUevent handle) {
  return inContext([&](CUctx_st&) {
    const Event& event = *reinterpret_cast<Event*>(handle);
    if (event.isDone()) return CUDA_SUCCESS;
    const size_t before = event.stream->work.size();
    const CUresult result = event.stream->drain([&] { return event.stream->work.size() < before; });
    return result == CUDA_SUCCESS ? CUDA_ERROR_NOT_READY : failed(result);
  });
}

CUresult cuEventSynchronize(CUevent handle) {
  return inContext([&](CUctx_st&) {
    const Event& event = *reinterpret_cast<Event*>(handle);
    if (event.isDone()) return CUDA_SUCCESS;
    const CUresult result = event.stream->drain([&] { return event.isDone(); });
    return result == CUDA_SUCCESS ? result : failed(result);
  });
}

CUresult cuEventElapsedTime(float* milliseconds, CUevent from, CUevent to) {
  return inContext([&](CUctx_st&) {
    const Event &begin = *reinterpret_cast<Event*>(from), &end = *reinterpret_cast<Event*>(to);
    if (!begin.recorded || !end.recorded) return CUDA_ERROR_INVALID_HANDLE;
    if (!begin.isDone() || !end.isDone()) return CUDA_ERROR_NOT_READY;
    *milliseconds = static_cast<float>((end.seconds - begin.seconds) * 1e3);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph graph, unsigned long long) {
  return inContext([&](CUctx_st&) {
    *executable = reinterpret_cast<CUgraphExec>(
        new std::shared_ptr<const Graph>(std::make_shared<Graph>(*reinterpret_cast<const Graph*>(graph))));
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  return inContext([&](CUctx_st& context) {
    return enqueue(context, stream, [graph = *reinterpret_cast<std::shared_ptr<const Graph>*>(executable)] {
      for (const Work& work : graph->work) {
        if (const CUresult result = work(); result != CUDA_SUCCESS) return result;
      }
      return CUDA_SUCCESS;
    });
  });
}

CUresult cuGraphExecDestroy(CUgraphExec executable) {
  delete reinterpret_cast<std::shared_ptr<const Graph>*>(executable);
  return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph graph) {
  delete reinterpret_cast<Graph*>(graph);
  return CUDA_SUCCESS;
}
