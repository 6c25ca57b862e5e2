#include "native/cpu/runtime/device.h"

#include <omp.h>

#include <chrono>
#include <cstring>
#include <fstream>

#include "native/cpu/runtime/memory.h"

namespace spinegrad::cpu {
namespace {

template <class Visit>
void visitBytes(DType dtype, Visit visit) {
  switch (dtype) {
    case DType::float32:
      return visit(float{});
    case DType::int32:
      return visit(int32_t{});
    case DType::uint16:
      return visit(uint16_t{});
    case DType::uint8:
      return visit(uint8_t{});
  }
}

/// As Linux reports it, or 0.
double lastLevelCacheBytes() {
  double kilobytes = 0;
  for (const char level : {'1', '2', '3', '4'}) {
    std::ifstream file(std::string("/sys/devices/system/cpu/cpu0/cache/index") + level + "/size");
    if (double size; file >> size) kilobytes = size;  // "32768K"
  }
  return 1024 * kilobytes;
}

class CpuTimeline final : public Timeline {
 public:
  std::optional<size_t> mark() override {
    moments_.push_back(Clock::now());
    return moments_.size() - 1;
  }

  std::vector<double> read() override {
    std::vector<double> milliseconds;
    for (const Clock::time_point moment : moments_) {
      milliseconds.push_back(std::chrono::duration<double, std::milli>(moment - moments_[0]).count());
    }
    return milliseconds;
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::vector<Clock::time_point> moments_;
};

class CpuDevice final : public Device {
 public:
  CpuDevice(int threads, size_t maxCached)
      : threads_(threads > 0 ? threads : omp_get_max_threads()),
        allocator_(std::make_shared<Allocator>(maxCached)),
        queue_([this] {
          omp_set_num_threads(threads_);
          currentAllocator() = allocator_;
        }) {}

  const OperationTable& operations() const override { return cpu::operations(); }

  MemoryStatistics memory() const override { return allocator_->statistics(); }

  std::string description() const override {
    const dnnl_version_t* version = dnnl_version();
    return "CPU, " + std::to_string(threads_) + (threads_ == 1 ? " thread, " : " threads, ") +
           (vectorLanes() == 16 ? "AVX-512" : "AVX2 or less") + ", oneDNN " + std::to_string(version->major) + "." +
           std::to_string(version->minor) + "." + std::to_string(version->patch);
  }

  Properties properties() const override {
    return {{"threads", threads_},
            {"cacheBytes", lastLevelCacheBytes()},
            {"maxCachedBytes", static_cast<double>(allocator_->maxCached())}};
  }

  std::unique_ptr<Timeline> timeline() const override { return std::make_unique<CpuTimeline>(); }

  void upload(Tensor& tensor, const void* bytes) override {
    visitBytes(tensor.dtype, [&](auto kind) { std::memcpy(write<decltype(kind)>(tensor), bytes, tensor.bytes()); });
  }

  void download(Tensor& tensor, void* bytes, Queue::Fence done) override {
    visitBytes(tensor.dtype, [&](auto kind) { std::memcpy(bytes, read<decltype(kind)>(tensor), tensor.bytes()); });
    done(nullptr);
  }

  void trim() override { allocator_->trim(); }

  Queue& queue() override { return queue_; }

 private:
  const int threads_;
  const std::shared_ptr<Allocator> allocator_;
  Queue queue_;
};

}  // namespace

OperationTable& operations() {
  static auto* table = new OperationTable();
  return *table;
}

std::unique_ptr<Device> openDevice(int threads, size_t maxCached) {
  return std::make_unique<CpuDevice>(threads, maxCached);
}

}  // namespace spinegrad::cpu
