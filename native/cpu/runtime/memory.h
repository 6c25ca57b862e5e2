// The bytes of CPU tensors and their memory layouts.
//
// Tensors are row-major. A float32 tensor may instead have a blocked layout: images in blocks of 16 (AVX-512) or 8
// channels, padded with zero channels, and convolution filters in blocks of both channel dimensions. An operation
// requests the layout that it needs, and a tensor of another layout is converted in place. The layers of a network
// request the same layouts, so activations are not converted between them.
#pragma once

#include <dnnl.hpp>
#include <optional>

#include "native/cpu/runtime/allocator.h"
#include "native/engine/tensor.h"

namespace spinegrad::cpu {

/// The memory of a tensor or a workspace.
class Buffer {
 public:
  Buffer(std::shared_ptr<Allocator> allocator, size_t bytes)
      : allocator_(std::move(allocator)), bytes_(bytes), data_(allocator_->allocate(bytes)) {}
  ~Buffer() { allocator_->release(data_, bytes_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

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

/// The allocator of the device whose queue thread calls this.
std::shared_ptr<Allocator>& currentAllocator();

/// Memory of `count` values for the duration of one operation, not initialised.
template <class T>
class Workspace {
 public:
  explicit Workspace(size_t count) : buffer_(currentAllocator(), count * sizeof(T)) {}
  T* data() const { return buffer_.as<T>(); }
  T& operator[](size_t index) const { return data()[index]; }

 private:
  Buffer buffer_;
};

const dnnl::engine& dnnlEngine();
dnnl::stream& dnnlStream();

/// Floats in a vector, which is also the channels in a block: 16 with AVX-512, else 8.
int64_t vectorLanes();
inline int64_t paddedChannels(int64_t channels) {
  return (channels + vectorLanes() - 1) / vectorLanes() * vectorLanes();
}

dnnl::memory::dims dims(const Shape& shape);
dnnl::memory::desc rowMajor(const Shape& shape);
/// [N, C/lanes, H, W, lanes].
dnnl::memory::desc channelBlocked(const Shape& shape);

/// The values of a tensor, row-major.
template <class T>
T* read(Tensor& tensor);
/// The values of a float32 tensor in the layout `desc`. The tensor is converted to that layout.
float* read(Tensor& tensor, const dnnl::memory::desc& desc);
/// The same without converting the tensor: if its layout differs, a converted copy is made in `workspace`.
float* peek(Tensor& tensor, const dnnl::memory::desc& desc, std::optional<Workspace<float>>& workspace);
/// Memory for new values, row-major. Memory of the same layout is reused.
template <class T>
T* write(Tensor& tensor);
/// Memory for new values in the layout `desc`.
float* write(Tensor& tensor, const dnnl::memory::desc& desc);
/// Memory of `bytes` bytes for a uint8 tensor that no other operation reads, in any layout.
uint8_t* writePadded(Tensor& tensor, size_t bytes);
/// The current layout.
dnnl::memory::desc layout(const Tensor& tensor);
/// Floats in the current layout, padding included.
size_t storedElements(const Tensor& tensor);

}  // namespace spinegrad::cpu
