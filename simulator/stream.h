// Streams, events and graphs. A stream defers all work until the program waits for it, so a missing wait shows. A
// captured graph is the same list of work, kept for replay.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "native/cuda/runtime/api.h"

namespace spinegrad::simulator {

using Work = std::function<CUresult()>;

struct Graph {
  std::vector<Work> work;
  bool invalidated = false;  // the stream was waited for during the capture
};

struct Stream {
  std::deque<Work> work;
  std::shared_ptr<Graph> capture;  // receives the work during a capture

  void add(Work piece);
  /// Runs deferred work until `enough` returns true or none is left.
  CUresult drain(const std::function<bool()>& enough = [] { return false; });
};

struct Event {
  Stream* stream = nullptr;
  uint64_t recorded = 0, reached = 0;  // counts
  double seconds = 0;                  // time at which it was last reached

  bool isDone() const { return reached == recorded; }
};

}  // namespace spinegrad::simulator
