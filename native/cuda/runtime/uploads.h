// Copies from the host to the device. The values are first copied to pinned memory, which is used in a circle, so the
// caller may change them at once and the queue runs ahead of the GPU. It waits only if the circle is full.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "native/cuda/runtime/driver.h"
#include "native/cuda/runtime/pinned.h"

namespace spinegrad::cuda {

class Uploads {
 public:
  /// `wait` waits for an event.
  Uploads(CUstream stream, std::function<void(CUevent)> wait) : stream_(stream), wait_(std::move(wait)) {}
  /// The stream must have ended.
  ~Uploads();
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;

  void upload(CUdeviceptr to, const void* from, size_t bytes);

 private:
  /// A part of the circle until `done`.
  struct Region {
    size_t first, end;
    CUevent done;
  };

  /// The first byte of `bytes` unused ones.
  size_t reserve(size_t bytes);
  void waitForOldest();
  CUevent nextEvent();

  const CUstream stream_;
  const std::function<void(CUevent)> wait_;
  std::unique_ptr<Pinned> memory_;
  /// The end of the newest region.
  size_t position_ = 0;
  /// From the oldest to the newest.
  std::deque<Region> regions_;
  std::vector<CUevent> unused_;
};

}  // namespace spinegrad::cuda
