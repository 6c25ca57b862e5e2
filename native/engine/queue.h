// The ordered queue of a device: one native thread that runs tasks in the order in which they were enqueued.
//
// An error stays on the queue: later tasks are skipped until the next fence (a read), which reports the error and
// clears it.
#pragma once

#include <atomic>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <thread>

#include "native/engine/profile.h"

namespace spinegrad {

class Queue {
 public:
  using Task = std::function<void()>;
  /// Called with the sticky error, or null.
  using Fence = std::function<void(std::exception_ptr)>;

  /// `start` runs first, on the thread of the queue.
  explicit Queue(Task start);
  ~Queue() { shutdown(); }

  /// A profile records tasks with a `name`. The name must outlive the queue.
  void enqueue(Task task, const char* name = nullptr);
  /// Runs `task` and then `fence`. If an error is pending, only `fence` runs, and receives it.
  void enqueueFence(Task task, Fence fence);
  /// Runs `read`, which must call the fence that it gets, or throw. It may call the fence later and on another thread;
  /// the queue does not wait for it. If an error is pending, only `fence` runs, and receives the error.
  void enqueueRead(std::function<void(Fence)> read, Fence fence, const char* name);
  /// Starts recording to `profile`; null stops it. Call it on the queue thread.
  void record(std::shared_ptr<Profile> profile) { profile_ = std::move(profile); }
  /// Waits for the running task, drops the others and ends the thread. Dropped fences are called with an error.
  void shutdown();
  /// Whether shutdown() was called. On any thread.
  bool isStopping() const { return stopping_; }
  /// The number of tasks that have failed. On the queue thread.
  size_t failures() const { return failures_; }

 private:
  struct Entry {
    Task task;
    Fence fence;
    const char* name;
    /// Whether `task` calls the fence unless it throws.
    bool isRead = false;
  };

  void push(Entry entry);
  /// Waits for entries and returns them; empty when the queue stops.
  std::deque<Entry> take();
  void run(const Entry& entry);
  static void drop(std::deque<Entry>& entries);
  void loop();

  std::mutex mutex_;
  std::deque<Entry> entries_;
  /// Set when the thread begins to sleep. The thread that clears it releases `awake_`.
  bool sleeping_ = false;
  // Not a condition variable: std::condition_variable::wait() of GCC 12 needs a newer libstdc++ than that of Rocky 9.
  std::binary_semaphore awake_{0};
  /// Whether there are entries; read without the mutex.
  std::atomic<bool> waiting_ = false;
  std::atomic<bool> stopping_ = false;
  std::exception_ptr error_;
  size_t failures_ = 0;
  std::shared_ptr<Profile> profile_;
  std::thread thread_;
};

}  // namespace spinegrad
