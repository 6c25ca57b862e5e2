#include "native/engine/profile.h"

namespace spinegrad {

void Profile::run(const char* name, const std::function<void()>& task) {
  if (full()) {
    ++skipped_;
    return task();
  }
  const std::optional<size_t> start = timeline_->mark();
  task();
  if (!start) return;
  timeline_->mark();
  operations_.push_back({name, *start});
}

void Profile::beginSpan(const std::string& name) {
  if (!full()) spans_.push_back({name, operations_.size()});
}

}  // namespace spinegrad
