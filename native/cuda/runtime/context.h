// A CUDA device as one Device of the engine uses it: the driver's primary context, one stream on which everything is
// ordered, the kernels, the memory, pinned buffers for copies to and from the host, and the status word.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/status.h"
#include "native/cuda/runtime/allocator.h"
#include "native/cuda/runtime/driver.h"

namespace spinegrad::cuda {

/// Makes a context current on this thread until the end of the scope.
class Current {
 public:
  explicit Current(CUcontext context) {
    driver().cuCtxGetCurrent(&before_);
    driver().cuCtxSetCurrent(context);
  }
  ~Current() { driver().cuCtxSetCurrent(before_); }
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

 private:
  CUcontext before_ = nullptr;
};

/// Pinned host memory, that the device copies from and to while the host goes on.
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

/// To what tensor cores round the factors of conv2d's and linear's products: 11 significant bits (TF32), or 8.
enum class Precision { float32, bf16 };

struct Kernel {
  CUfunction function = nullptr;
  /// Bytes of each parameter; empty where the driver does not tell.
  std::vector<size_t> parameters;
  /// Dynamic shared memory that a launch may ask for without asking first.
  size_t dynamicShared = 0;
};

class Context : public std::enable_shared_from_this<Context> {
 public:
  /// Throws ERR_DEVICE_UNAVAILABLE with the reason where device `index` cannot be used, or not with that precision.
  Context(int index, Precision precision);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// The calling thread works for this device from now on.
  void adoptThread();

  CUcontext handle() const { return context_; }
  CUstream stream() const { return stream_; }
  Allocator& allocator() { return *allocator_; }
  Kernel& kernel(std::string_view name);
  /// On the device.
  Status* status() const { return reinterpret_cast<Status*>(status_); }

  int multiprocessors() const { return multiprocessors_; }
  int attribute(CUdevice_attribute attribute) const;
  /// Major version times ten plus minor: 80 for sm_80.
  int architecture() const { return architecture_; }
  Precision precision() const { return precision_; }
  const std::string& description() const { return description_; }

  /// The capture that is under way on the stream; null: none.
  Capture* capture() const { return capture_.get(); }
  void beginCapture();
  std::unique_ptr<Recording> endCapture();
  /// On any thread; without effect when no capture is under way.
  void abandonCapture();

  /// Returns when `from` was copied; the device gets the bytes in stream order.
  void upload(CUdeviceptr to, const void* from, size_t bytes);
  /// Waits for the stream. Throws what kernels have reported since the last download.
  void download(void* to, CUdeviceptr from, size_t bytes);

 private:
  struct Staging {
    std::unique_ptr<Pinned> memory;
    CUevent done = nullptr;
  };

  void open();
  void loadKernels();
  Staging& nextStaging();
  void close();

  const int index_;
  const Precision precision_;
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
  int turn_ = 0;
  std::unique_ptr<Capture> capture_;
};

/// The context of the device whose queue runs on this thread.
Context& currentContext();

}  // namespace spinegrad::cuda
