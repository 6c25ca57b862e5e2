// A CUDA device as used by one Device of the engine: the primary context, one stream that orders all work, the kernels,
// the allocator, pinned buffers for copies, and the status that kernels report to.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/status.h"
#include "native/cuda/runtime/allocator.h"
#include "native/cuda/runtime/driver.h"
#include "native/cuda/runtime/settings.h"

namespace spinegrad::cuda {

/// Makes a context current on this thread until the end of the scope.
class ScopedContext {
 public:
  explicit ScopedContext(CUcontext context) {
    driver().cuCtxGetCurrent(&before_);
    driver().cuCtxSetCurrent(context);
  }
  ~ScopedContext() { driver().cuCtxSetCurrent(before_); }
  ScopedContext(const ScopedContext&) = delete;
  ScopedContext& operator=(const ScopedContext&) = delete;

 private:
  CUcontext before_ = nullptr;
};

/// Pinned host memory for asynchronous copies.
class Pinned {
 public:
  explicit Pinned(size_t bytes);
  ~Pinned();
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
};

class Capture;

/// The precision of the factors of conv2d and linear on tensor cores: 11 significant bits (TF32) or 8 (bf16).
enum class Precision { tf32, bf16 };

struct Kernel {
  CUfunction function = nullptr;
  /// The size of each parameter; empty if the driver does not report it.
  std::vector<size_t> parameters;
  /// The dynamic shared memory that a launch can use without raising the limit of the kernel.
  size_t dynamicShared = 0;
};

class Context : public std::enable_shared_from_this<Context> {
 public:
  /// Throws ERR_DEVICE_UNAVAILABLE with the reason if the device, or the precision on it, cannot be used.
  Context(int index, Precision precision);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// Makes this the current context of the calling thread.
  void adoptThread();

  CUcontext handle() const { return context_; }
  CUstream stream() const { return stream_; }
  Allocator& allocator() { return *allocator_; }
  Kernel& kernel(std::string_view name);
  /// A device address.
  Status* status() const { return reinterpret_cast<Status*>(status_); }

  int multiprocessors() const { return multiprocessors_; }
  int attribute(CUdevice_attribute attribute) const;
  /// The compute capability times ten: 80 for sm_80.
  int architecture() const { return architecture_; }
  Precision precision() const { return precision_; }
  const Settings& settings() const { return settings_; }
  const std::string& description() const { return description_; }

  /// The capture in progress on the stream, or null.
  Capture* capture() const { return capture_.get(); }
  void beginCapture();
  std::unique_ptr<Recording> endCapture();
  /// Callable on any thread. Does nothing without a capture.
  void abandonCapture();

  /// Returns when `from` may be changed. The device receives the bytes in stream order.
  void upload(CUdeviceptr to, const void* from, size_t bytes);
  /// Returns unused memory to the driver.
  void trim();
  /// Waits for the stream. Throws the error that kernels have reported since the last download.
  void download(void* to, CUdeviceptr from, size_t bytes);

 private:
  struct Staging {
    std::unique_ptr<Pinned> memory;
    CUevent done = nullptr;
  };

  void open();
  void loadKernels();
  Staging& nextStaging();
  void retainContext();
  void close();

  const int index_;
  const Precision precision_;
  const Settings settings_ = readSettings();
  CUdevice device_ = 0;
  CUcontext context_ = nullptr;
  CUstream stream_ = nullptr;
  int architecture_ = 0, multiprocessors_ = 0;
  std::string description_;
  std::vector<CUmodule> modules_;
  std::map<std::string, Kernel, std::less<>> kernels_;
  std::unique_ptr<Allocator> allocator_;
  CUdeviceptr status_ = 0;
  std::unique_ptr<Pinned> hostStatus_;
  Staging staging_[2];
  int stagingIndex_ = 0;
  std::unique_ptr<Capture> capture_;
};

/// The context of the device whose queue runs on the calling thread.
Context& currentContext();

}  // namespace spinegrad::cuda
