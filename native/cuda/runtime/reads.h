// Copies from the device to the host, without a wait on the thread of the queue: while the GPU computes one training
// step, the queue launches the next. Values are copied to pinned slots; a thread of this class waits for them, copies
// them to their targets and calls the fences, in order.
#pragma once

#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <thread>
#include <vector>

#include "kernels/status.h"
#include "native/cuda/runtime/driver.h"
#include "native/cuda/runtime/pinned.h"
#include "native/engine/queue.h"

namespace spinegrad::cuda {

class Reads {
 public:
  /// `status` is the address of the reports of kernels. When `stopping` returns true, all
  /// waits end; their fences get ERR_DEVICE_CLOSED.
  Reads(CUcontext context, CUstream stream, CUdeviceptr status, std::function<bool()> stopping);
  ~Reads() { join(); }
  Reads(const Reads&) = delete;
  Reads& operator=(const Reads&) = delete;

  /// Reads `bytes` and takes the report of the kernels before. Calls `done` once, unless an error is thrown. `kept` is
  /// freed when the work before the read has ended.
  void read(void* to, CUdeviceptr from, size_t bytes, std::vector<std::unique_ptr<Pinned>> kept, Queue::Fence done);
  /// Ends the thread.
  void join();

 private:
  /// A part of the pinned memory: the status and then values.
  struct Slot {
    explicit Slot(size_t valueBytes);
    ~Slot() { driver().cuEventDestroy(copied); }
    Status* status() const { return reinterpret_cast<Status*>(memory.data()); }
    std::byte* values() const { return memory.data() + sizeof(Status); }

    const size_t bytes;
    const Pinned memory;
    CUevent copied = nullptr;
  };
  struct Piece {
    std::unique_ptr<Slot> slot = nullptr;
    std::byte* target = nullptr;
    size_t bytes = 0;
    /// Set for the last piece of a read.
    Queue::Fence done = nullptr;
    std::vector<std::unique_ptr<Pinned>> kept = {};
    /// Set if the copy could not be enqueued; there is no slot then.
    std::exception_ptr error = nullptr;
  };

  /// A slot for at least `bytes`, or for one piece of a read that is longer.
  std::unique_ptr<Slot> takeSlot(size_t bytes);
  void push(Piece piece);
  void loop();
  void complete(Piece piece);
  /// Waits for the copy and returns the error of the read, if there is one.
  std::exception_ptr finish(const Piece& piece);

  const CUcontext context_;
  const CUstream stream_;
  const CUdeviceptr status_;
  const std::function<bool()> stopping_;
  std::mutex mutex_;
  // Not a condition variable: see native/engine/queue.h.
  std::counting_semaphore<> wake_{0};  // one release per piece, and one to end
  std::deque<Piece> pieces_;
  std::vector<std::unique_ptr<Slot>> unused_;
  int smallSlots_ = 0, largeSlots_ = 0;
  /// Of reads that were given up: their work may not have ended.
  std::vector<std::unique_ptr<Pinned>> abandoned_;
  /// The first error of the read that is being completed.
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace spinegrad::cuda
