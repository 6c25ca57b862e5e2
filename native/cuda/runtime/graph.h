// A step that is recorded once and then replayed as a whole: hundreds of launches become one, which is what a small
// network on a fast GPU waits for.
//
// A replay runs the same kernels on the same addresses with the same numbers. So what is allocated during the capture
// stays reserved for it (a pool of its own), what is uploaded is kept beside it, and what it borrows from outside (the
// parameters, the inputs) must stay where it was: a replay after one of them took other memory is an error.
#pragma once

#include <memory>
#include <unordered_set>
#include <vector>

#include "native/cuda/runtime/context.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/device.h"

namespace spinegrad::cuda {

/// What a captured step needs to be there when it is replayed.
struct Holdings {
  std::shared_ptr<Pool> pool = std::make_shared<Pool>();
  std::vector<std::unique_ptr<Pinned>> constants;
  std::unordered_set<std::shared_ptr<Block>> borrowed;
};

/// While it exists, what goes to the context's stream is recorded, not run.
class Capture {
 public:
  explicit Capture(Context& context);
  /// Unless end() was called, what was recorded is dropped.
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// The step uses a block that was there before.
  void borrow(const std::shared_ptr<Block>& block);
  void upload(CUdeviceptr to, const void* from, size_t bytes);
  std::unique_ptr<Recording> end();

 private:
  CUgraph endRecording();

  Context& context_;
  Holdings holdings_;
  bool recording_ = true;
};

}  // namespace spinegrad::cuda
