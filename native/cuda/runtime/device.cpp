#include "native/cuda/runtime/device.h"

#include "native/cuda/runtime/memory.h"

namespace spinegrad::cuda {
namespace {

/// Records an event in the stream at each mark.
class CudaTimeline final : public Timeline {
 public:
  explicit CudaTimeline(std::shared_ptr<Context> context) : context_(std::move(context)) {}
  ~CudaTimeline() override {
    if (!context_->isOpen()) return;
    const ScopedContext scope(context_->handle());
    for (CUevent event : events_) driver().cuEventDestroy(event);
  }

  std::optional<size_t> mark() override {
    if (context_->capture() != nullptr) return std::nullopt;
    CUevent event = nullptr;
    SPINEGRAD_CUDA(cuEventCreate, &event, CU_EVENT_DEFAULT);
    events_.push_back(event);
    SPINEGRAD_CUDA(cuEventRecord, event, context_->stream());
    return events_.size() - 1;
  }

  // The driver returns times as float. Sums of the differences between events stay exact and ordered in a long run.
  std::vector<double> read() override {
    if (events_.empty()) return {};
    context_->wait(events_.back());
    std::vector<double> milliseconds{0};
    for (size_t index = 1; index < events_.size(); ++index) {
      float elapsed = 0;
      SPINEGRAD_CUDA(cuEventElapsedTime, &elapsed, events_[index - 1], events_[index]);
      milliseconds.push_back(milliseconds.back() + elapsed);
    }
    return milliseconds;
  }

 private:
  const std::shared_ptr<Context> context_;
  std::vector<CUevent> events_;
};

class CudaDevice final : public Device {
 public:
  CudaDevice(int index, Precision precision)
      : context_(std::make_shared<Context>(index, precision)), queue_([this] { context_->adoptThread(queue_); }) {}

  // Tensors and captured steps may hold the context for longer.
  ~CudaDevice() override {
    queue_.shutdown();
    context_->close();
  }

  const OperationTable& operations() const override { return cuda::operations(); }

  MemoryStatistics memory() const override { return context_->allocator().statistics(); }

  std::string description() const override { return context_->description(); }

  Properties properties() const override {
    const auto of = [&](CUdevice_attribute attribute) { return static_cast<double>(context_->attribute(attribute)); };
    return {{"computeCapability", context_->architecture()},
            {"multiprocessors", context_->multiprocessors()},
            {"clockHz", 1e3 * of(CU_DEVICE_ATTRIBUTE_CLOCK_RATE)},
            {"memoryClockHz", 1e3 * of(CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)},
            {"memoryBusBits", of(CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH)},
            {"cacheBytes", of(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)}};
  }

  std::unique_ptr<Timeline> timeline() const override { return std::make_unique<CudaTimeline>(context_); }

  void upload(Tensor& tensor, const void* bytes) override {
    context_->upload(addressOf(write<void>(tensor)), bytes, tensor.bytes());
  }

  void download(Tensor& tensor, void* bytes, Queue::Fence done) override {
    std::optional<Workspace<float>> workspace;
    context_->download(bytes, peek(tensor, workspace), tensor.bytes(), std::move(done));
  }

  void trim() override { context_->trim(); }

  void beginCapture() override {
    context_->beginCapture();
    failures_ = queue_.failures();
  }

  // A read within the step may have taken the error of an operation; the recording would lack that operation.
  std::unique_ptr<Recording> endCapture() override {
    if (queue_.failures() != failures_) {
      throw Error("ERR_CAPTURE", "an operation or a read of the captured step failed; its own error states the reason");
    }
    return context_->endCapture();
  }
  void abandonCapture() override { context_->abandonCapture(); }

  Queue& queue() override { return queue_; }

 private:
  const std::shared_ptr<Context> context_;
  Queue queue_;
  /// Failures of the queue before the capture.
  size_t failures_ = 0;
};

}  // namespace

OperationTable& operations() {
  static auto* table = new OperationTable();
  return *table;
}

std::unique_ptr<Device> openDevice(int index, bool bf16) {
  return std::make_unique<CudaDevice>(index, bf16 ? Precision::bf16 : Precision::tf32);
}

}  // namespace spinegrad::cuda
