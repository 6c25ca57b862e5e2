// Where a CUDA tensor's bytes are and how they are laid out.
//
// Every dtype can lie row-major. A float32 tensor of four axes may also lie with its channels last, padded with zeros
// to a multiple of 8, so that a pixel's channels are whole 16-byte accesses: images [N, C, H, W] as [N][H][W][Cp],
// filters [K, C, R, S] as [K][R][S][Cp]. Every kernel that writes such a tensor writes the padding's zeros too.
// Operations ask for the layout they want and the conversion happens here, in place, at most once; between the layers
// of a network nobody asks for another, so nothing is converted.
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

/// For the driver's copies and memsets.
inline CUdeviceptr addressOf(const void* onDevice) { return reinterpret_cast<CUdeviceptr>(onDevice); }

/// The block of memory under a tensor or a workspace.
class Block {
 public:
  Block(size_t bytes, const Consumer& consumer)
      : context_(currentContext().shared_from_this()),
        pool_(context_->allocator().pool()),
        address_(context_->allocator().allocate(bytes, consumer)) {}
  ~Block() { context_->allocator().release(address_); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(address_);
  }
  /// Whether it belongs to a captured step, which will write it again when it is replayed.
  bool isCaptured() const { return pool_ != context_->allocator().mainPool() && !pool_->ended; }
  /// Whether it comes from where blocks come from now.
  bool isCurrent() const { return pool_ == context_->allocator().pool(); }

  /// Set when its tensor took another block.
  bool left = false;

 private:
  std::shared_ptr<Context> context_;
  std::shared_ptr<const Pool> pool_;
  CUdeviceptr address_;
};

/// Uninitialised device memory of `count` values for the length of one operation.
template <class T>
class Workspace {
 public:
  explicit Workspace(size_t count) : block_(count * sizeof(T), {}) {}
  /// Holds values of the host.
  explicit Workspace(const std::vector<T>& values) : Workspace(values.size()) {
    currentContext().upload(reinterpret_cast<CUdeviceptr>(data()), values.data(), values.size() * sizeof(T));
  }
  /// On the device: for kernels, not for the host.
  T* data() const { return block_.as<T>(); }
  const Block& block() const { return block_; }

 private:
  Block block_;
};

/// What a convolution left behind about the channels of its result: attached to the tensor as its layout is, gone when
/// it is taken or when anything else is written to the tensor.
struct Statistics {
  Statistics(int64_t groups, int64_t padded);

  Workspace<float> memory;
  ChannelStatistics view;
};

// All of these give addresses on the device.

/// The tensor's values, row-major.
template <class T>
T* read(Tensor& tensor);
/// A float32 tensor's values in that layout; the tensor keeps it.
float* read(Tensor& tensor, Layout layout);
/// Room for new values, row-major. A tensor that already has room of this layout keeps it.
template <class T>
T* write(Tensor& tensor);
/// Room for new values in that layout.
float* write(Tensor& tensor, Layout layout);
/// The values are about to change where they lie: what was known about them ends. write() does this by itself.
void changing(Tensor& tensor);
void attach(Tensor& tensor, std::unique_ptr<Statistics> statistics);
/// Null where there are none.
std::unique_ptr<Statistics> takeStatistics(Tensor& tensor);
/// The tensor's bytes row-major, without changing the tensor: converted into `workspace` where they lie otherwise.
CUdeviceptr peek(Tensor& tensor, std::optional<Workspace<float>>& workspace);
/// The layout that the tensor has now.
Layout layout(const Tensor& tensor);
/// Elements that the tensor holds in its present layout, padding included.
size_t storedElements(const Tensor& tensor);

}  // namespace spinegrad::cuda
