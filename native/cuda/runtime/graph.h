// A step that is captured once and replayed as one CUDA graph, which replaces hundreds of launches by one.
//
// A replay runs the same kernels with the same addresses and numbers. Memory allocated during the capture stays
// reserved in its own pool, uploaded values are kept, and tensors from before the capture (parameters, inputs) must
// keep their memory: a replay after one of them has moved throws an error.
#pragma once

#include <memory>
#include <unordered_set>
#include <vector>

#include "native/cuda/runtime/context.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/device.h"

namespace spinegrad::cuda {

/// The resources that a captured step needs at each replay.
struct CapturedResources {
  std::shared_ptr<Pool> pool = std::make_shared<Pool>();
  std::vector<std::unique_ptr<Pinned>> constants;
  std::unordered_set<std::shared_ptr<Block>> borrowed;
};

/// Work on the context's stream is recorded instead of run while this object exists.
class Capture {
 public:
  explicit Capture(Context& context);
  /// Discards the recorded work unless end() was called.
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// Registers a block from before the capture that the step uses.
  void borrow(const std::shared_ptr<Block>& block);
  void upload(CUdeviceptr to, const void* from, size_t bytes);
  std::unique_ptr<Recording> end();

 private:
  CUgraph endRecording();

  Context& context_;
  CapturedResources resources_;
  bool recording_ = true;
};

}  // namespace spinegrad::cuda
