#include "native/cuda/runtime/context.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "native/cuda/runtime/graph.h"
#include "native/cuda/runtime/image.h"
#include "native/cuda/runtime/wait.h"
#include "native/engine/error.h"

namespace spinegrad::cuda {
namespace {

/// How long close() waits for the GPU.
constexpr std::chrono::seconds closeTime{5};
constexpr size_t defaultDynamicShared = 48 << 10;

thread_local Context* current = nullptr;

[[noreturn]] void unavailable(const std::string& reason) { throw Error("ERR_DEVICE_UNAVAILABLE", reason); }

/// The image of a build without nvcc. The simulator ignores images; a driver rejects this one.
constexpr Image noImages[] = {{"", "no kernels"}, {nullptr, nullptr}};

}  // namespace

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
    capture_.reset();
    if (reads_ != nullptr) reads_->join();
    if (stream_ != nullptr && !finishes(stream_, closeTime)) return leak();
    reads_.reset();
    uploads_.reset();
    retired_.clear();
    allocator_.reset();
    if (status_ != 0) driver().cuMemFree(status_);
    for (CUmodule module : modules_) driver().cuModuleUnload(module);
    if (stream_ != nullptr) driver().cuStreamDestroy(stream_);
  }
  driver().cuDevicePrimaryCtxRelease(device_);
  context_ = nullptr;
}

void Context::leak() {
  static_cast<void>(reads_.release());
  static_cast<void>(uploads_.release());
  static_cast<void>(allocator_.release());
  for (auto& constant : retired_) static_cast<void>(constant.release());
  context_ = nullptr;
}

void Context::release(CUdeviceptr block) {
  if (allocator_ != nullptr) allocator_->release(block);
}

void Context::adoptThread(const Queue& queue) {
  SPINEGRAD_CUDA(cuCtxSetCurrent, context_);
  queue_ = &queue;
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

CUresult Context::wait(const std::function<CUresult()>& query) {
  const CUresult result = poll(query, [this] { return isStopping(); });
  if (result == CUDA_ERROR_NOT_READY) throw Error("ERR_DEVICE_CLOSED", "the device was closed while the GPU computed");
  return result;
}

void Context::wait(CUevent event) {
  check(wait([event] { return driver().cuEventQuery(event); }), "cuEventQuery", __FILE__, __LINE__);
}

CUresult Context::waitForStream() {
  return wait([this] { return driver().cuStreamQuery(stream_); });
}

void Context::upload(CUdeviceptr to, const void* from, size_t bytes) {
  if (capture_ != nullptr) return capture_->upload(to, from, bytes);
  uploads_->upload(to, from, bytes);
}

void Context::download(void* to, CUdeviceptr from, size_t bytes, Queue::Fence done) {
  if (capture_ != nullptr) throw Error("ERR_CAPTURE", "a captured step cannot read values; read them after the replay");
  std::unique_lock lock(retiredMutex_);
  auto retired = std::exchange(retired_, {});
  lock.unlock();
  reads_->read(to, from, bytes, std::move(retired), std::move(done));
}

void Context::retire(std::vector<std::unique_ptr<Pinned>> constants) {
  const std::lock_guard lock(retiredMutex_);
  for (auto& constant : constants) retired_.push_back(std::move(constant));
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
