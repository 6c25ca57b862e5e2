#include "native/engine/queue.h"

#include <chrono>
#include <utility>

#include "native/engine/error.h"

namespace spinegrad {
namespace {

/// The thread polls for this long before it sleeps, because waking it costs JavaScript several microseconds. On a
/// single core polling would only delay JavaScript.
const std::chrono::microseconds pollTime{std::thread::hardware_concurrency() > 1 ? 20 : 0};

}  // namespace

Queue::Queue(Task start) {
  enqueue(std::move(start));
  thread_ = std::thread([this] { loop(); });
}

void Queue::enqueue(Task task, const char* name) { push({std::move(task), nullptr, name}); }

void Queue::enqueueFence(Task task, Fence fence) { push({std::move(task), std::move(fence), nullptr}); }

void Queue::enqueueRead(std::function<void(Fence)> read, Fence fence, const char* name) {
  push({[read = std::move(read), fence] { read(fence); }, fence, name, true});
}

void Queue::push(Entry entry) {
  bool sleeping;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) throw Error("ERR_DEVICE_CLOSED", "the device was closed; open it again with openDevice()");
    entries_.push_back(std::move(entry));
    waiting_.store(true, std::memory_order_relaxed);
    sleeping = std::exchange(sleeping_, false);
  }
  if (sleeping) awake_.release();
}

void Queue::shutdown() {
  bool sleeping;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    sleeping = std::exchange(sleeping_, false);
  }
  if (sleeping) awake_.release();
  if (thread_.joinable()) thread_.join();
  drop(entries_);
}

void Queue::drop(std::deque<Entry>& entries) {
  const auto closed =
      std::make_exception_ptr(Error("ERR_DEVICE_CLOSED", "the device was closed before this value was computed"));
  for (Entry& entry : entries) {
    if (entry.fence) entry.fence(closed);
  }
  entries.clear();
}

std::deque<Queue::Entry> Queue::take() {
  const auto end = std::chrono::steady_clock::now() + pollTime;
  while (!waiting_.load(std::memory_order_relaxed) && std::chrono::steady_clock::now() < end) __builtin_ia32_pause();
  std::unique_lock lock(mutex_);
  if (entries_.empty() && !stopping_) {
    sleeping_ = true;
    lock.unlock();
    awake_.acquire();
    lock.lock();
  }
  waiting_.store(false, std::memory_order_relaxed);
  return std::exchange(entries_, {});
}

void Queue::loop() {
  while (!stopping_) {
    std::deque<Entry> batch = take();
    while (!stopping_ && !batch.empty()) {
      run(batch.front());
      batch.pop_front();
    }
    drop(batch);
  }
}

void Queue::run(const Entry& entry) {
  if (error_ == nullptr) {
    try {
      if (profile_ && entry.name) {
        profile_->run(entry.name, entry.task);
      } else {
        entry.task();
      }
    } catch (...) {
      error_ = std::current_exception();
      ++failures_;
    }
  }
  const bool called = entry.isRead && error_ == nullptr;
  if (entry.fence && !called) entry.fence(std::exchange(error_, nullptr));
}

}  // namespace spinegrad
