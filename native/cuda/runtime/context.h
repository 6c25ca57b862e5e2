// A CUDA device as used by one Device of the engine: the primary context, one stream that orders all work, the kernels,
// the allocator, copies from and to the host, and the status that kernels report to.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/status.h"
#include "native/cuda/runtime/allocator.h"
#include "native/cuda/runtime/driver.h"
#include "native/cuda/runtime/pinned.h"
#include "native/cuda/runtime/reads.h"
#include "native/cuda/runtime/settings.h"
#include "native/cuda/runtime/uploads.h"

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

  /// Makes this the current context of the calling thread, the thread of `queue`. When `queue` stops, all waits end.
  void adoptThread(const Queue& queue);
  /// Call it after the queue has ended. Frees all memory of the device, also that of tensors. If the GPU does not end
  /// its work within some seconds, nothing is freed, because to free memory would wait for the GPU.
  void close();
  bool isOpen() const { return context_ != nullptr; }

  CUcontext handle() const { return context_; }
  CUstream stream() const { return stream_; }
  Allocator& allocator() { return *allocator_; }
  /// Of a block of the allocator. Does nothing after close().
  void release(CUdeviceptr block);
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
  /// Calls `done` once: when the bytes have arrived, or with an error that kernels have reported since the last
  /// download.
  void download(void* to, CUdeviceptr from, size_t bytes, Queue::Fence done);
  /// Frees pinned memory when the enqueued work, which may read it, has ended. Callable on any thread.
  void retire(std::vector<std::unique_ptr<Pinned>> constants);
  /// Waits for an event. Throws ERR_DEVICE_CLOSED if the device is closed meanwhile.
  void wait(CUevent event);
  /// The same for all work. Returns the error of the work.
  CUresult waitForStream();

 private:
  void open();
  void retainContext();
  void loadKernels();
  bool isStopping() const { return queue_ != nullptr && queue_->isStopping(); }
  CUresult wait(const std::function<CUresult()>& query);
  /// Drops everything without calling the driver.
  void leak();

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
  const Settings settings_ = readSettings();
  const Queue* queue_ = nullptr;
  std::unique_ptr<Uploads> uploads_;
  std::unique_ptr<Reads> reads_;
  std::mutex retiredMutex_;
  std::vector<std::unique_ptr<Pinned>> retired_;
  std::unique_ptr<Capture> capture_;
};

/// The context of the device whose queue runs on the calling thread.
Context& currentContext();

}  // namespace spinegrad::cuda
