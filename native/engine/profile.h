// A profile: the start and end of each operation, by the clock of the device.
//
// A time stamp is taken before and after each operation, without waiting; all are read when the profile ends. Only the
// first operations up to a limit are kept, to bound memory and the size of the trace.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace spinegrad {

/// Time stamps of the device. Use it on the queue thread; it may be destroyed on any thread.
class Timeline {
 public:
  virtual ~Timeline() = default;
  /// Takes a time stamp and returns its index; none during a capture, because nothing runs then.
  virtual std::optional<size_t> mark() = 0;
  /// Waits for the last time stamp. Returns milliseconds since the first.
  virtual std::vector<double> read() = 0;
};

/// Use it on the queue thread until stop() has returned, then on any thread.
class Profile {
 public:
  struct Operation {
    const char* name;
    /// Index of the start; the next time stamp is the end.
    size_t moment;
  };
  /// From the operation with index `first` to the next span.
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
  /// Milliseconds since the first time stamp.
  const std::vector<double>& moments() const { return moments_; }
  /// Operations after the limit.
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
