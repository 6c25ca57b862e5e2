// Memory and layout of CUDA tensors.
//
// Every dtype can be row-major. A float32 tensor with four axes can also be channels last, padded with zeros to a
// multiple of 8 channels so that a pixel is whole 16-byte vectors: images [N, C, H, W] as [N][H][W][Cp], filters [K, C,
// R, S] as [K][R][S][Cp]. Kernels that write such a tensor also write the zeros. An operation requests a layout and the
// tensor is converted in place if it has another; between the layers of a network no conversion happens.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "kernels/channelStatistics.h"
#include "native/cuda/runtime/context.h"
#include "native/engine/tensor.h"

namespace spinegrad::cuda {

enum class Layout { rowMajor, channelsLast };

constexpr int64_t paddedChannels(int64_t channels) { return (channels + 7) / 8 * 8; }

/// The address for copies and memsets of the driver.
inline CUdeviceptr addressOf(const void* onDevice) { return reinterpret_cast<CUdeviceptr>(onDevice); }

/// The memory block of a tensor or a workspace.
class Block {
 public:
  Block(size_t bytes, const Consumer& consumer)
      : context_(currentContext().shared_from_this()),
        pool_(context_->allocator().pool()),
        address_(context_->allocator().allocate(bytes, consumer)) {}
  ~Block() { context_->release(address_); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(address_);
  }
  /// Whether it belongs to a captured step, which writes it at each replay.
  bool isCaptured() const { return pool_ != context_->allocator().mainPool() && !pool_->ended; }
  /// Whether it is from the current pool.
  bool isCurrent() const { return pool_ == context_->allocator().pool(); }

  /// Set when its tensor has replaced it by another block.
  bool replaced = false;

 private:
  std::shared_ptr<Context> context_;
  std::shared_ptr<const Pool> pool_;
  CUdeviceptr address_;
};

/// Uninitialized device memory for `count` values during one operation.
template <class T>
class Workspace {
 public:
  explicit Workspace(size_t count) : block_(count * sizeof(T), {}) {}
  /// Initialized from host values.
  explicit Workspace(const std::vector<T>& values) : Workspace(values.size()) {
    currentContext().upload(reinterpret_cast<CUdeviceptr>(data()), values.data(), values.size() * sizeof(T));
  }
  /// A device address.
  T* data() const { return block_.as<T>(); }
  const Block& block() const { return block_; }

 private:
  Block block_;
};

/// The channel statistics that a convolution computed for its result. They are attached to the tensor until they are
/// taken or the tensor is written again.
struct Statistics {
  Statistics(int64_t groups, int64_t padded);

  Workspace<float> memory;
  ChannelStatistics view;
};

// The following functions return device addresses.

/// The values of a tensor, row-major.
template <class T>
T* read(Tensor& tensor);
/// The values of a float32 tensor in `layout`, which the tensor then has.
float* read(Tensor& tensor, Layout layout);
/// Memory for new values, row-major. A tensor that has this layout keeps its memory.
template <class T>
T* write(Tensor& tensor);
/// Memory for new values in `layout`.
float* write(Tensor& tensor, Layout layout);
/// Discards the statistics of a tensor that is modified in place. write() does this itself.
void changing(Tensor& tensor);
void attach(Tensor& tensor, std::unique_ptr<Statistics> statistics);
/// Null if there are none.
std::unique_ptr<Statistics> takeStatistics(Tensor& tensor);
/// The values row-major without changing the tensor, converted into `workspace` if it has another layout.
CUdeviceptr peek(Tensor& tensor, std::optional<Workspace<float>>& workspace);
/// The current layout.
Layout layout(const Tensor& tensor);
/// The number of stored elements, including padding.
size_t storedElements(const Tensor& tensor);

}  // namespace spinegrad::cuda
