// What ran on a device and when, by the device's own clock.
//
// A moment is taken before and after each operation, and nothing waits for it: moments are read when the profile ends.
// Only so many operations are kept, the first ones, so that a long run neither fills memory nor ends in a file that no
// viewer opens.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace spinegrad {

/// Moments on the device's own clock. To be used on the queue thread; it may be dropped on any.
class Timeline {
 public:
  virtual ~Timeline() = default;
  /// Takes a moment and returns its index; none while a step is captured, since nothing runs then.
  virtual std::optional<size_t> mark() = 0;
  /// Waits until the device has come so far; milliseconds from the first moment to each.
  virtual std::vector<double> read() = 0;
};

/// To be used on the queue thread until stop() has returned, on any thread then.
class Profile {
 public:
  struct Operation {
    const char* name;
    /// The moment of its start; the next one is that of its end.
    size_t moment;
  };
  /// Begins with the operation of that index, and ends where the next span begins.
  struct Span {
    std::string name;
    size_t first;
  };

  Profile(std::unique_ptr<Timeline> timeline, size_t limit) : timeline_(std::move(timeline)), limit_(limit) {}

  /// Runs `task`. `name` must live as long as the profile.
  void run(const char* name, const std::function<void()>& task);
  void beginSpan(const std::string& name);
  void stop() { moments_ = timeline_->read(); }

  const std::vector<Operation>& operations() const { return operations_; }
  const std::vector<Span>& spans() const { return spans_; }
  /// Milliseconds from the first.
  const std::vector<double>& moments() const { return moments_; }
  /// How many operations came after the limit.
  size_t skipped() const { return skipped_; }

 private:
  bool full() const { return operations_.size() == limit_; }

  const std::unique_ptr<Timeline> timeline_;
  const size_t limit_;
  std::vector<Operation> operations_;
  std::vector<Span> spans_;
  std::vector<double> moments_;
  size_t skipped_ = 0;
};

}  // namespace spinegrad
