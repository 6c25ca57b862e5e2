// A caching allocator for device memory: released blocks are kept by size and reused, so a training step does not wait
// for the driver after the first one. All work of a device is on one stream, so a block can be reused while kernels
// that use it are pending; the next user runs after them.
//
// Memory of a captured step must stay reserved as long as the step can be replayed. During a capture, blocks come from
// a separate pool and return to it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "native/cuda/runtime/driver.h"
#include "native/engine/device.h"

namespace spinegrad::cuda {

/// The purpose of a block, for the report of ERR_OUT_OF_MEMORY. A null shape means a workspace.
struct Consumer {
  DType dtype = DType::uint8;
  const Shape* shape = nullptr;
};

struct Pool {
  std::map<size_t, std::vector<CUdeviceptr>> unused;
  /// If set, the blocks belong to the main pool.
  std::atomic<bool> ended = false;
};

class Allocator {
 public:
  /// Without `caching`, released blocks are freed and sizes are not rounded.
  Allocator(CUstream stream, bool caching) : stream_(stream), caching_(caching) {}
  /// Frees all blocks, also those in use. The context must be current.
  ~Allocator();

  /// Returns an uninitialized block of at least `bytes`. Throws ERR_OUT_OF_MEMORY.
  CUdeviceptr allocate(size_t bytes, const Consumer& consumer);
  void release(CUdeviceptr block);
  /// The pool of the next allocation.
  std::shared_ptr<const Pool> pool() const { return pool_; }
  /// The pool of allocations outside captures.
  std::shared_ptr<const Pool> mainPool() const { return main_; }
  MemoryStatistics statistics() const;
  /// Waits for the stream and returns the unused blocks of the main pool to the driver. Not during a capture.
  void trim();

  /// Allocates from `pool` from now on, or from the main pool if null. Only on the queue thread, like pool() and
  /// allocate().
  void use(std::shared_ptr<Pool> pool);
  /// Moves the blocks of a pool to the main pool, blocks in use when they are released.
  void end(Pool& pool);

 private:
  struct Live {
    size_t size;
    DType dtype;
    bool workspace;
    Shape shape;
    std::shared_ptr<Pool> pool;
  };

  /// The size of a block for `bytes`: one sixteenth of a power of two, so that tensors of similar size reuse blocks.
  size_t blockSize(size_t bytes) const;
  CUdeviceptr find(size_t size);
  void trimLocked();
  std::string report(size_t bytes) const;

  mutable std::mutex mutex_;
  const CUstream stream_;
  const bool caching_;
  const std::shared_ptr<Pool> main_ = std::make_shared<Pool>();
  std::shared_ptr<Pool> pool_ = main_;
  /// Pools of captured steps.
  std::vector<std::weak_ptr<Pool>> pools_;
  std::unordered_map<CUdeviceptr, Live> live_;
  MemoryStatistics statistics_;
};

}  // namespace spinegrad::cuda
