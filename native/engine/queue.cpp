#include "native/engine/queue.h"

#include <utility>

#include "native/engine/error.h"

namespace spinegrad {

Queue::Queue(Task start) {
  enqueue(std::move(start));
  thread_ = std::thread([this] { loop(); });
}

void Queue::enqueue(Task task, const char* name) { push({std::move(task), nullptr, name}); }

void Queue::enqueueFence(Task task, Fence fence, const char* name) { push({std::move(task), std::move(fence), name}); }

void Queue::push(Entry entry) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) throw Error("ERR_DEVICE_CLOSED", "the device was closed; open it again with openDevice()");
    entries_.push_back(std::move(entry));
  }
  wake_.notify_one();
}

void Queue::shutdown() {
  std::deque<Entry> dropped;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(entries_);
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  const auto closed =
      std::make_exception_ptr(Error("ERR_DEVICE_CLOSED", "the device was closed before this value was computed"));
  for (Entry& entry : dropped) {
    if (entry.fence) entry.fence(closed);
  }
}

void Queue::loop() {
  for (;;) {
    Entry entry;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !entries_.empty(); });
      if (stopping_) return;
      entry = std::move(entries_.front());
      entries_.pop_front();
    }
    if (!error_) {
      try {
        if (profile_ && entry.name) {
          profile_->run(entry.name, entry.task);
        } else {
          entry.task();
        }
      } catch (...) {
        error_ = std::current_exception();
      }
    }
    if (entry.fence) entry.fence(std::exchange(error_, nullptr));
  }
}

}  // namespace spinegrad
