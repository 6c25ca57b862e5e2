// Where a CPU tensor's bytes are and how they are laid out.
//
// Every dtype can lie row-major. A float32 tensor may also lie as oneDNN likes it best: images in channel blocks of
// 16 (AVX-512) or 8 (AVX2), padded with zero channels; convolution weights in tiles. Operations ask for the layout
// they want and the reorder happens here, in place, at most once; between the layers of a network nobody asks for
// another layout, so nothing is reordered.
#pragma once

#include <dnnl.hpp>
#include <optional>

#include "native/cpu/runtime/allocator.h"
#include "native/engine/tensor.h"

namespace spinegrad::cpu {

/// The block of memory under a tensor or a workspace.
class Block {
 public:
  Block(std::shared_ptr<Allocator> allocator, size_t bytes)
      : allocator_(std::move(allocator)), bytes_(bytes), data_(allocator_->allocate(bytes)) {}
  ~Block() { allocator_->release(data_, bytes_); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  size_t bytes() const { return bytes_; }

 private:
  std::shared_ptr<Allocator> allocator_;
  size_t bytes_;
  void* data_;
};

/// The allocator of the device whose queue runs on this thread.
std::shared_ptr<Allocator>& currentAllocator();

/// Uninitialised memory of `count` values for the length of one operation.
template <class T>
class Workspace {
 public:
  explicit Workspace(size_t count) : block_(currentAllocator(), count * sizeof(T)) {}
  T* data() const { return block_.as<T>(); }
  T& operator[](size_t index) const { return data()[index]; }

 private:
  Block block_;
};

const dnnl::engine& dnnlEngine();
dnnl::stream& dnnlStream();

/// Channels in a block: 16 with AVX-512, else 8.
int64_t channelBlock();
inline int64_t paddedChannels(int64_t channels) {
  return (channels + channelBlock() - 1) / channelBlock() * channelBlock();
}

dnnl::memory::dims dims(const Shape& shape);
dnnl::memory::desc rowMajor(const Shape& shape);
/// [N, C/block, H, W, block].
dnnl::memory::desc channelBlocked(const Shape& shape);

/// The tensor's values, row-major.
template <class T>
T* read(Tensor& tensor);
/// A float32 tensor's values in the layout `desc`; the tensor keeps that layout.
float* read(Tensor& tensor, const dnnl::memory::desc& desc);
/// The same without changing the tensor: copied into `workspace` when the layout differs.
float* peek(Tensor& tensor, const dnnl::memory::desc& desc, std::optional<Workspace<float>>& workspace);
/// Room for new values, row-major. A tensor that already has room of this layout keeps it.
template <class T>
T* write(Tensor& tensor);
/// Room for new values in the layout `desc`.
float* write(Tensor& tensor, const dnnl::memory::desc& desc);
/// Room for `bytes` bytes under a uint8 tensor that only its operation reads, laid out as that operation likes.
uint8_t* writePadded(Tensor& tensor, size_t bytes);
/// The layout that the tensor has now.
dnnl::memory::desc layout(const Tensor& tensor);
/// Floats that the tensor holds in its present layout, padding included.
size_t storedElements(const Tensor& tensor);

}  // namespace spinegrad::cpu
