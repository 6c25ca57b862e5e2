// Streams, events and graphs. A stream puts off all work until somebody waits for it: what a program forgets to wait
// for has then not happened, and it shows. What is recorded into a graph is the same list of work, kept to be run
// again.
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
};

struct Stream {
  std::deque<Work> work;
  std::shared_ptr<Graph> capture;  // where work goes instead while it is being recorded

  void add(Work piece);
  /// Runs what was put off until `enough` says so or nothing is left.
  CUresult drain(const std::function<bool()>& enough = [] { return false; });
};

struct Event {
  Stream* stream = nullptr;
  uint64_t recorded = 0, reached = 0;  // how often
  double seconds = 0;                  // when it was last reached

  bool isDone() const { return reached == recorded; }
};

}  // namespace spinegrad::simulator
