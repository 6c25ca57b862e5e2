// What the addon knows of a backend: how to find its operations, move bytes in and out, and count them.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "native/engine/error.h"
#include "native/engine/operation.h"
#include "native/engine/profile.h"
#include "native/engine/queue.h"

namespace spinegrad {

struct MemoryStatistics {
  /// Bytes held by live tensors, the most they ever were, and bytes kept for reuse.
  size_t inUse = 0, peak = 0, cached = 0;
};

/// What is known of the hardware, by name.
using Properties = std::vector<std::pair<std::string, double>>;

/// A step that was captured. To be used on the queue thread; it may be dropped on any.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay() = 0;
};

class Device {
 public:
  virtual ~Device() = default;

  /// The same table for all devices of a backend.
  virtual const OperationTable& operations() const = 0;
  virtual MemoryStatistics memory() const = 0;
  /// One line for people: which processor, how many threads.
  virtual std::string description() const = 0;
  virtual Properties properties() const = 0;
  virtual std::unique_ptr<Timeline> timeline() const = 0;

  // Both run on the queue thread; bytes are row-major.
  virtual void upload(Tensor& tensor, const void* bytes) = 0;
  virtual void download(Tensor& tensor, void* bytes) = 0;

  // All on the queue thread. What is run from beginCapture() to endCapture() is recorded instead.
  virtual void beginCapture() { throw Error("ERR_CAPTURE", "capture() is for CUDA devices"); }
  virtual std::unique_ptr<Recording> endCapture() { return nullptr; }
  /// Ends a capture, if one is under way, without a recording.
  virtual void abandonCapture() {}

  virtual Queue& queue() = 0;
};

}  // namespace spinegrad
