// Memory of a CUDA device: freed blocks are kept by size and handed out again, so that a warm training step never
// waits for the driver. All work of a device is on one stream, so a block may be handed out while kernels that use it
// are still to run: whoever gets it comes behind them.
//
// What a captured step allocates must stay its own for as long as it may be replayed: while a capture is under way,
// blocks come from a pool of its own and go back there.
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

/// What a block is for; told when memory runs out. Without a shape: a workspace.
struct Consumer {
  DType dtype = DType::uint8;
  const Shape* shape = nullptr;
};

struct Pool {
  std::map<size_t, std::vector<CUdeviceptr>> unused;
  /// Its blocks belong to the main pool from now on.
  std::atomic<bool> ended = false;
};

class Allocator {
 public:
  explicit Allocator(CUstream stream) : stream_(stream) {}
  /// The context must be current.
  ~Allocator();

  /// A block of at least `bytes`, not initialised. Throws ERR_OUT_OF_MEMORY.
  CUdeviceptr allocate(size_t bytes, const Consumer& consumer);
  void release(CUdeviceptr block);
  /// Where blocks come from now.
  std::shared_ptr<const Pool> pool() const { return pool_; }
  /// Where they come from unless a capture is under way.
  std::shared_ptr<const Pool> mainPool() const { return main_; }
  MemoryStatistics statistics() const;

  /// From here on blocks come from `pool`; null: from the main one. For the queue thread, as pool() and allocate().
  void use(std::shared_ptr<Pool> pool);
  /// Gives the pool's blocks to the main one, those still in use when they are released.
  void end(Pool& pool);

 private:
  struct Live {
    size_t size;
    DType dtype;
    bool workspace;
    Shape shape;
    std::shared_ptr<Pool> pool;
  };

  CUdeviceptr find(size_t size);
  void trim();
  std::string report(size_t bytes) const;

  mutable std::mutex mutex_;
  const CUstream stream_;
  const std::shared_ptr<Pool> main_ = std::make_shared<Pool>();
  std::shared_ptr<Pool> pool_ = main_;
  std::unordered_map<CUdeviceptr, Live> live_;
  MemoryStatistics statistics_;
};

}  // namespace spinegrad::cuda
