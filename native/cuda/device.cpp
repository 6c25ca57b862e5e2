#include "native/cuda/device.h"

#include <unordered_map>

#include "native/cuda/memory.h"

namespace spinegrad::cuda {
namespace {

std::unordered_map<std::string, Operation>& operations() {
  static auto* table = new std::unordered_map<std::string, Operation>();
  return *table;
}

class CudaDevice final : public Device {
 public:
  explicit CudaDevice(int index)
      : context_(std::make_shared<Context>(index)), queue_([context = context_.get()] { context->adoptThread(); }) {}

  Operation find(const std::string& name) const override {
    const auto found = operations().find(name);
    return found == operations().end() ? nullptr : found->second;
  }

  MemoryStatistics memory() const override { return context_->allocator().statistics(); }

  std::string description() const override { return context_->description(); }

  void upload(Tensor& tensor, const void* bytes) override {
    context_->upload(addressOf(write<void>(tensor)), bytes, tensor.bytes());
  }

  void download(Tensor& tensor, void* bytes) override {
    std::optional<Workspace<float>> workspace;
    context_->download(bytes, peek(tensor, workspace), tensor.bytes());
  }

  void beginCapture() override { context_->beginCapture(); }
  std::unique_ptr<Recording> endCapture() override { return context_->endCapture(); }
  void abandonCapture() override { context_->abandonCapture(); }

  Queue& queue() override { return queue_; }

 private:
  const std::shared_ptr<Context> context_;
  Queue queue_;
};

}  // namespace

Register::Register(const char* name, Operation operation) { operations().emplace(name, operation); }

std::unique_ptr<Device> openDevice(int index) { return std::make_unique<CudaDevice>(index); }

}  // namespace spinegrad::cuda
