#include "native/cuda/runtime/uploads.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace spinegrad::cuda {
namespace {

constexpr size_t circleBytes = size_t{8} << 20;
/// Half of the circle: the host fills one half while the GPU reads the other.
constexpr size_t maxPiece = circleBytes / 2;
constexpr size_t maxRegions = 256;
constexpr size_t alignment = 256;

}  // namespace

Uploads::~Uploads() {
  for (const Region& region : regions_) unused_.push_back(region.done);
  for (CUevent event : unused_) driver().cuEventDestroy(event);
}

void Uploads::upload(CUdeviceptr to, const void* from, size_t bytes) {
  if (memory_ == nullptr) memory_ = std::make_unique<Pinned>(circleBytes);
  const auto* source = static_cast<const std::byte*>(from);
  for (size_t done = 0; done < bytes; done += maxPiece) {
    const size_t count = std::min(maxPiece, bytes - done);
    const size_t first = reserve(count);
    std::memcpy(memory_->data() + first, source + done, count);
    SPINEGRAD_CUDA(cuMemcpyHtoDAsync, to + done, memory_->data() + first, count, stream_);
    const CUevent event = nextEvent();
    regions_.push_back({first, position_, event});
    SPINEGRAD_CUDA(cuEventRecord, event, stream_);
  }
}

size_t Uploads::reserve(size_t bytes) {
  const size_t size = (bytes + alignment - 1) / alignment * alignment;
  const size_t first = position_ + size > circleBytes ? 0 : position_;
  const auto overlaps = [&](const Region& region) { return region.first < first + size && first < region.end; };
  while (regions_.size() == maxRegions || std::any_of(regions_.begin(), regions_.end(), overlaps)) waitForOldest();
  position_ = first + size;
  return first;
}

void Uploads::waitForOldest() {
  wait_(regions_.front().done);
  unused_.push_back(regions_.front().done);
  regions_.pop_front();
}

CUevent Uploads::nextEvent() {
  CUevent event = nullptr;
  if (unused_.empty()) {
    SPINEGRAD_CUDA(cuEventCreate, &event, CU_EVENT_DISABLE_TIMING);
    return event;
  }
  event = unused_.back();
  unused_.pop_back();
  return event;
}

}  // namespace spinegrad::cuda
