#include "native/cuda/runtime/reads.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <utility>

#include "native/cuda/runtime/status.h"
#include "native/cuda/runtime/wait.h"
#include "native/engine/error.h"

namespace spinegrad::cuda {
namespace {

/// A loss or a few metrics.
constexpr size_t smallBytes = size_t{4} << 10;
constexpr size_t largeBytes = size_t{4} << 20;
constexpr int maxSmallSlots = 256;
/// The GPU fills one while the host empties the other.
constexpr int maxLargeSlots = 2;

Error closed() { return Error("ERR_DEVICE_CLOSED", "the device was closed before this value was computed"); }

}  // namespace

Reads::Slot::Slot(size_t valueBytes) : bytes(valueBytes), memory(sizeof(Status) + valueBytes) {
  SPINEGRAD_CUDA(cuEventCreate, &copied, CU_EVENT_DISABLE_TIMING);
}

Reads::Reads(CUcontext context, CUstream stream, CUdeviceptr status, std::function<bool()> stopping)
    : context_(context), stream_(stream), status_(status), stopping_(std::move(stopping)), thread_([this] {
        loop();
      }) {}

void Reads::join() {
  wake_.release();
  if (thread_.joinable()) thread_.join();
}

void Reads::read(void* to, CUdeviceptr from, size_t bytes, std::vector<std::unique_ptr<Pinned>> kept,
                 Queue::Fence done) {
  auto* target = static_cast<std::byte*>(to);
  size_t first = 0;
  try {
    for (;;) {
      auto slot = takeSlot(bytes - first);
      const size_t count = std::min(slot->bytes, bytes - first);
      const bool last = first + count == bytes;
      if (count > 0) SPINEGRAD_CUDA(cuMemcpyDtoHAsync, slot->values(), from + first, count, stream_);
      if (last) {
        SPINEGRAD_CUDA(cuMemcpyDtoHAsync, slot->status(), status_, sizeof(Status), stream_);
        SPINEGRAD_CUDA(cuMemsetD8Async, status_, 0, sizeof(Status), stream_);
      }
      SPINEGRAD_CUDA(cuEventRecord, slot->copied, stream_);
      if (last) return push({std::move(slot), target + first, count, std::move(done), std::move(kept)});
      push({std::move(slot), target + first, count});
      first += count;
    }
  } catch (...) {
    if (first == 0) throw;
    push({.done = std::move(done), .kept = std::move(kept), .error = std::current_exception()});
  }
}

std::unique_ptr<Reads::Slot> Reads::takeSlot(size_t bytes) {
  const bool small = bytes <= smallBytes;
  const size_t size = small ? smallBytes : largeBytes;
  int& count = small ? smallSlots_ : largeSlots_;
  const int maxCount = small ? maxSmallSlots : maxLargeSlots;
  for (;; std::this_thread::sleep_for(std::chrono::microseconds(20))) {
    const std::lock_guard lock(mutex_);
    const auto found =
        std::find_if(unused_.begin(), unused_.end(), [&](const auto& slot) { return slot->bytes == size; });
    if (found != unused_.end()) {
      auto slot = std::move(*found);
      unused_.erase(found);
      return slot;
    }
    if (count < maxCount) {
      auto slot = std::make_unique<Slot>(size);
      ++count;
      return slot;
    }
  }
}

void Reads::push(Piece piece) {
  {
    const std::lock_guard lock(mutex_);
    pieces_.push_back(std::move(piece));
  }
  wake_.release();
}

void Reads::loop() {
  driver().cuCtxSetCurrent(context_);
  for (;;) {
    wake_.acquire();
    std::unique_lock lock(mutex_);
    if (pieces_.empty()) return;
    Piece piece = std::move(pieces_.front());
    pieces_.pop_front();
    lock.unlock();
    complete(std::move(piece));
  }
}

void Reads::complete(Piece piece) {
  if (const std::exception_ptr error = finish(piece); error != nullptr && error_ == nullptr) error_ = error;
  const bool abandoned = stopping_();
  if (piece.slot != nullptr) {
    const std::lock_guard lock(mutex_);
    unused_.push_back(std::move(piece.slot));
  }
  if (abandoned) std::move(piece.kept.begin(), piece.kept.end(), std::back_inserter(abandoned_));
  piece.kept.clear();
  if (piece.done != nullptr) piece.done(std::exchange(error_, nullptr));
}

std::exception_ptr Reads::finish(const Piece& piece) {
  if (piece.error != nullptr) return piece.error;
  const CUresult result = poll([&] { return driver().cuEventQuery(piece.slot->copied); }, stopping_);
  try {
    if (result == CUDA_ERROR_NOT_READY) throw closed();
    check(result, "cuEventQuery", __FILE__, __LINE__);
  } catch (const Error&) {
    return std::current_exception();
  }
  std::memcpy(piece.target, piece.slot->values(), piece.bytes);
  if (piece.done == nullptr || piece.slot->status()->report == 0) return nullptr;
  return std::make_exception_ptr(errorOf(*piece.slot->status()));
}

}  // namespace spinegrad::cuda
