#include "native/cuda/runtime/context.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "native/cuda/runtime/graph.h"
#include "native/cuda/runtime/image.h"
#include "native/cuda/runtime/status.h"
#include "native/engine/error.h"

namespace spinegrad::cuda {
namespace {

constexpr size_t stagingBytes = size_t{4} << 20;
constexpr size_t defaultDynamicShared = 48 << 10;

thread_local Context* current = nullptr;

[[noreturn]] void unavailable(const std::string& reason) { throw Error("ERR_DEVICE_UNAVAILABLE", reason); }

/// The image of a build without nvcc. The simulator ignores images; a driver rejects this one.
constexpr Image noImages[] = {{"", "no kernels"}, {nullptr, nullptr}};

}  // namespace

Pinned::Pinned(size_t bytes) {
  void* memory = nullptr;
  SPINEGRAD_CUDA(cuMemHostAlloc, &memory, bytes, 0);
  data_ = static_cast<std::byte*>(memory);
}

Pinned::~Pinned() { driver().cuMemFreeHost(data_); }

Context::Context(int index, Precision precision) : index_(index), precision_(precision) {
  try {
    open();
  } catch (...) {
    close();
    throw;
  }
}

void Context::open() {
  int count = 0;
  SPINEGRAD_CUDA(cuDeviceGetCount, &count);
  if (index_ >= count) {
    unavailable("there is no cuda:" + std::to_string(index_) + ": the CUDA driver has " + std::to_string(count) +
                (count == 1 ? " device" : " devices") + ", numbered from 0");
  }
  SPINEGRAD_CUDA(cuDeviceGet, &device_, index_);
  char name[128] = "";
  SPINEGRAD_CUDA(cuDeviceGetName, name, static_cast<int>(sizeof name), device_);
  size_t total = 0;
  SPINEGRAD_CUDA(cuDeviceTotalMem, &total, device_);
  const int major = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  const int minor = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  architecture_ = 10 * major + minor;
  multiprocessors_ = attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  int version = 0;
  SPINEGRAD_CUDA(cuDriverGetVersion, &version);
  description_ = std::string(name) + ", compute capability " + std::to_string(major) + "." + std::to_string(minor) +
                 ", " + std::to_string(multiprocessors()) + " multiprocessors, " + std::to_string(total >> 20) +
                 " MiB, driver for CUDA " + versionName(version) +
                 (precision_ == Precision::bf16 ? ", products in bf16" : "");
  if (precision_ == Precision::bf16 && architecture_ < 80) {
    unavailable("precision bf16 needs compute capability 8.0 or newer, cuda:" + std::to_string(index_) + " is " +
                description_ + "; use precision tf32");
  }
  if (spinegradCudaVersion / 1000 > version / 1000) {
    unavailable("the CUDA driver is too old: it is for CUDA " + versionName(version) +
                ", the kernels of this build need CUDA " + versionName(spinegradCudaVersion / 1000 * 1000) +
                " or newer; update the NVIDIA driver");
  }
  retainContext();
  const ScopedContext scope(context_);
  SPINEGRAD_CUDA(cuStreamCreate, &stream_, CU_STREAM_NON_BLOCKING);
  loadKernels();
  allocator_ = std::make_unique<Allocator>(stream_, settings_.caching);
  SPINEGRAD_CUDA(cuMemAlloc, &status_, sizeof(Status));
  SPINEGRAD_CUDA(cuMemsetD8Async, status_, 0, sizeof(Status), stream_);
  uploads_ = std::make_unique<Uploads>(stream_, [this](CUevent event) { wait(event); });
  reads_ = std::make_unique<Reads>(context_, stream_, status_, [this] { return isStopping(); });
}

void Context::retainContext() {
  const std::string device = "cuda:" + std::to_string(index_) + " (" + description_ + ")";
  switch (const CUresult result = driver().cuDevicePrimaryCtxRetain(&context_, device_)) {
    case CUDA_ERROR_DEVICE_UNAVAILABLE:
      unavailable(device +
                  " is in exclusive or prohibited compute mode and another process uses it; end that process, or run "
                  "nvidia-smi --compute-mode=0");
    case CUDA_ERROR_OUT_OF_MEMORY:
      unavailable(
          device +
          " has no memory left for a context; end other processes that nvidia-smi lists, or open another device");
    default:
      check(result, "cuDevicePrimaryCtxRetain", __FILE__, __LINE__);
  }
}

void Context::loadKernels() {
  const bool empty = spinegradCudaImages[0].file == nullptr;
  for (const Image* image = empty ? noImages : spinegradCudaImages; image->file != nullptr; ++image) {
    CUmodule module = nullptr;
    switch (const CUresult result = driver().cuModuleLoadData(&module, image->bytes)) {
      case CUDA_SUCCESS:
        modules_.push_back(module);
        break;
      case CUDA_ERROR_NO_BINARY_FOR_GPU:
      case CUDA_ERROR_INVALID_PTX:
      case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
      case CUDA_ERROR_INVALID_IMAGE:
        unavailable(empty
                        ? std::string("this build of spinegrad has no CUDA kernels, because it was built without nvcc")
                        : "this build of spinegrad has no kernels for cuda:" + std::to_string(index_) +
                              ": they are for " + spinegradCudaArchitectures + ", the device is " + description_);
      default:
        check(result, "cuModuleLoadData", __FILE__, __LINE__);
    }
  }
}

Context::~Context() { close(); }

void Context::close() {
  if (context_ == nullptr) return;
  {
    const ScopedContext scope(context_);
    if (stream_ != nullptr) driver().cuStreamSynchronize(stream_);
    allocator_.reset();
    hostStatus_.reset();
    for (Staging& staging : staging_) {
      staging.memory.reset();
      if (staging.done != nullptr) driver().cuEventDestroy(staging.done);
    }
    if (status_ != 0) driver().cuMemFree(status_);
    for (CUmodule module : modules_) driver().cuModuleUnload(module);
    if (stream_ != nullptr) driver().cuStreamDestroy(stream_);
  }
  driver().cuDevicePrimaryCtxRelease(device_);
  context_ = nullptr;
}

void Context::adoptThread() {
  SPINEGRAD_CUDA(cuCtxSetCurrent, context_);
  current = this;
}

int Context::attribute(CUdevice_attribute attribute) const {
  int value = 0;
  SPINEGRAD_CUDA(cuDeviceGetAttribute, &value, attribute, device_);
  return value;
}

Kernel& Context::kernel(std::string_view requested) {
  if (const auto cached = kernels_.find(requested); cached != kernels_.end()) return cached->second;
  const std::string name(requested);
  Kernel kernel;
  for (CUmodule module : modules_) {
    const CUresult result = driver().cuModuleGetFunction(&kernel.function, module, name.c_str());
    if (result == CUDA_SUCCESS) break;
    if (result != CUDA_ERROR_NOT_FOUND) check(result, "cuModuleGetFunction", __FILE__, __LINE__);
  }
  if (kernel.function == nullptr) throw Error("ERR_INTERNAL", "the kernel '" + name + "' is not in this build");
  if (driver().cuFuncGetParamInfo != nullptr) {
    size_t offset = 0, bytes = 0;
    while (driver().cuFuncGetParamInfo(kernel.function, kernel.parameters.size(), &offset, &bytes) == CUDA_SUCCESS) {
      kernel.parameters.push_back(bytes);
    }
  }
  int fixed = 0;
  SPINEGRAD_CUDA(cuFuncGetAttribute, &fixed, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, kernel.function);
  kernel.dynamicShared = defaultDynamicShared - std::min(defaultDynamicShared, static_cast<size_t>(fixed));
  return kernels_.emplace(name, std::move(kernel)).first->second;
}

Context::Staging& Context::nextStaging() {
  Staging& staging = staging_[stagingIndex_ ^= 1];
  if (staging.memory == nullptr) {
    staging.memory = std::make_unique<Pinned>(stagingBytes);
    SPINEGRAD_CUDA(cuEventCreate, &staging.done, CU_EVENT_DISABLE_TIMING);
  }
  SPINEGRAD_CUDA(cuEventSynchronize, staging.done);
  return staging;
}

void Context::upload(CUdeviceptr to, const void* from, size_t bytes) {
  if (capture_ != nullptr) return capture_->upload(to, from, bytes);
  const auto* source = static_cast<const std::byte*>(from);
  for (size_t first = 0; first < bytes; first += stagingBytes) {
    const size_t count = std::min(stagingBytes, bytes - first);
    Staging& staging = nextStaging();
    std::memcpy(staging.memory->data(), source + first, count);
    SPINEGRAD_CUDA(cuMemcpyHtoDAsync, to + first, staging.memory->data(), count, stream_);
    SPINEGRAD_CUDA(cuEventRecord, staging.done, stream_);
  }
}

void Context::download(void* to, CUdeviceptr from, size_t bytes) {
  if (capture_ != nullptr) throw Error("ERR_CAPTURE", "a captured step cannot read values; read them after the replay");
  SPINEGRAD_CUDA(cuMemcpyDtoHAsync, hostStatus_->data(), status_, sizeof(Status), stream_);
  auto* target = static_cast<std::byte*>(to);
  // The device copies one chunk while the host copies the previous one out.
  struct Chunk {
    Staging* staging = nullptr;
    size_t first = 0, count = 0;
  } before;
  const auto finish = [&] {
    if (before.staging == nullptr) return;
    SPINEGRAD_CUDA(cuEventSynchronize, before.staging->done);
    std::memcpy(target + before.first, before.staging->memory->data(), before.count);
  };
  for (size_t first = 0; first < bytes; first += stagingBytes) {
    const size_t count = std::min(stagingBytes, bytes - first);
    Staging& staging = nextStaging();
    SPINEGRAD_CUDA(cuMemcpyDtoHAsync, staging.memory->data(), from + first, count, stream_);
    SPINEGRAD_CUDA(cuEventRecord, staging.done, stream_);
    finish();
    before = {&staging, first, count};
  }
  finish();
  SPINEGRAD_CUDA(cuStreamSynchronize, stream_);
  Status status;
  std::memcpy(&status, hostStatus_->data(), sizeof status);
  if (status.report == 0) return;
  SPINEGRAD_CUDA(cuMemsetD8Async, status_, 0, sizeof(Status), stream_);
  throw errorOf(status);
}

void Context::trim() {
  if (capture_ != nullptr) throw Error("ERR_CAPTURE", "a captured step cannot call trim(); call it outside capture()");
  allocator_->trim();
}

void Context::beginCapture() {
  if (capture_ != nullptr)
    throw Error("ERR_CAPTURE", "a capture is already in progress; end it before starting another");
  capture_ = std::make_unique<Capture>(*this);
}

std::unique_ptr<Recording> Context::endCapture() {
  if (capture_ == nullptr) throw Error("ERR_CAPTURE", "an error in the captured step has ended the capture");
  return std::exchange(capture_, nullptr)->end();
}

void Context::abandonCapture() {
  const ScopedContext scope(context_);
  capture_.reset();
}

Context& currentContext() {
  if (current == nullptr) throw Error("ERR_INTERNAL", "this thread has no current CUDA device");
  return *current;
}

}  // namespace spinegrad::cuda
