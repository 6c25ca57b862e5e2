// The ordered queue of a device: one native thread that runs tasks in the order in which they came.
//
// An error sticks: tasks behind it are skipped until the next fence (a read), which reports it and clears it. So
// JavaScript may enqueue freely and learns of a failure where it looks at a value.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "native/engine/profile.h"

namespace spinegrad {

class Queue {
 public:
  using Task = std::function<void()>;
  /// Called on the queue thread with the sticky error, or null.
  using Fence = std::function<void(std::exception_ptr)>;

  /// `start` runs first, on the queue's own thread.
  explicit Queue(Task start);
  ~Queue() { shutdown(); }

  /// `name`, which must outlive the queue, makes the task one of those that a profile records.
  void enqueue(Task task, const char* name = nullptr);
  /// Runs `task` and then `fence`; where an error is pending, only `fence`, which takes the error over.
  void enqueueFence(Task task, Fence fence, const char* name = nullptr);
  /// To be called on the queue thread: `profile` records what follows; null: nothing does.
  void record(std::shared_ptr<Profile> profile) { profile_ = std::move(profile); }
  /// Drops what has not begun, waits for what has, ends the thread. Dropped fences are called with an error.
  void shutdown();

 private:
  struct Entry {
    Task task;
    Fence fence;
    const char* name;
  };

  void push(Entry entry);
  /// What has come, once something has; nothing when the queue stops.
  std::deque<Entry> take();
  void run(const Entry& entry);
  static void drop(std::deque<Entry>& entries);
  void loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Entry> entries_;
  bool sleeping_ = false;
  /// Whether there are entries, to be asked without the mutex.
  std::atomic<bool> waiting_ = false;
  std::atomic<bool> stopping_ = false;
  std::exception_ptr error_;
  std::shared_ptr<Profile> profile_;
  std::thread thread_;
};

}  // namespace spinegrad
