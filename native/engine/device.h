// What the addon knows of a backend: how to find its operations, move bytes in and out, and count them.
#pragma once

#include <cstddef>
#include <string>

#include "native/engine/operation.h"
#include "native/engine/queue.h"

namespace spinegrad {

struct MemoryStatistics {
  /// Bytes held by live tensors, the most they ever were, and bytes kept for reuse.
  size_t inUse = 0, peak = 0, cached = 0;
};

class Device {
 public:
  virtual ~Device() = default;

  /// The operation of that name; null when this backend has none.
  virtual Operation find(const std::string& name) const = 0;
  virtual MemoryStatistics memory() const = 0;
  /// One line for people: which processor, how many threads.
  virtual std::string description() const = 0;

  // Both run on the queue thread; bytes are row-major.
  virtual void upload(Tensor& tensor, const void* bytes) = 0;
  virtual void download(Tensor& tensor, void* bytes) = 0;

  virtual Queue& queue() = 0;
};

}  // namespace spinegrad
