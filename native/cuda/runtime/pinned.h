#pragma once

#include <cstddef>

namespace spinegrad::cuda {

/// Pinned host memory for asynchronous copies. The context must be current.
class Pinned {
 public:
  explicit Pinned(size_t bytes);
  ~Pinned();
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
};

}  // namespace spinegrad::cuda
