// The interface of a backend: its operations, transfers, memory statistics, profiles and captures.
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
  /// Bytes of live tensors, the maximum of that so far, and bytes kept for reuse.
  size_t inUse = 0, peak = 0, cached = 0;
};

/// Properties of the hardware by name.
using Properties = std::vector<std::pair<std::string, double>>;

/// A captured step. Use it on the queue thread; it may be destroyed on any thread.
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
  /// One line for people, for instance the processor and the number of threads.
  virtual std::string description() const = 0;
  virtual Properties properties() const = 0;
  virtual std::unique_ptr<Timeline> timeline() const = 0;

  // These run on the queue thread. Bytes are row-major.
  virtual void upload(Tensor& tensor, const void* bytes) = 0;
  /// Calls `done` once, on any thread: when `bytes` holds the values, or with the error of the read. The caller keeps
  /// `bytes` until then. If it throws, it does not call `done`.
  virtual void download(Tensor& tensor, void* bytes, Queue::Fence done) = 0;
  /// Frees the memory that is kept for reuse.
  virtual void trim() = 0;

  // These run on the queue thread. Operations between beginCapture() and endCapture() are recorded, not run.
  virtual void beginCapture() { throw Error("ERR_CAPTURE", "capture() is for CUDA devices"); }
  virtual std::unique_ptr<Recording> endCapture() { return nullptr; }
  /// Ends an open capture without a recording.
  virtual void abandonCapture() {}

  virtual Queue& queue() = 0;
};

}  // namespace spinegrad
