#include "native/cuda/runtime/memory.h"

#include <algorithm>

#include "native/cuda/runtime/graph.h"
#include "native/cuda/runtime/launch.h"
#include "native/engine/error.h"

namespace spinegrad::cuda {
namespace {

size_t elementsIn(const Shape& shape, Layout layout) {
  if (layout == Layout::rowMajor) return static_cast<size_t>(shape.elements());
  return static_cast<size_t>(shape[0] * shape[2] * shape[3] * paddedChannels(shape[1]));
}

struct CudaStorage final : Storage {
  CudaStorage(const Tensor& tensor, Layout wanted)
      : block(std::make_shared<Block>(elementsIn(tensor.shape, wanted) * sizeOf(tensor.dtype),
                                      Consumer{tensor.dtype, &tensor.shape})),
        layout(wanted) {}

  const std::shared_ptr<Block> block;
  const Layout layout;
  std::unique_ptr<Statistics> statistics;
};

CudaStorage& storageOf(const Tensor& tensor) {
  if (tensor.storage == nullptr) {
    throw Error("ERR_UNINITIALISED", "a tensor was read before anything was written to it");
  }
  return static_cast<CudaStorage&>(*tensor.storage);
}

/// For an operation that is about to use the tensor's memory.
template <class T>
T* use(const Tensor& tensor) {
  const std::shared_ptr<Block>& block = storageOf(tensor).block;
  if (Capture* capture = currentContext().capture()) capture->borrow(block);
  return block->as<T>();
}

/// Gives the tensor other memory, unless a captured step counts on what it has.
void replace(Tensor& tensor, std::unique_ptr<CudaStorage> next) {
  if (tensor.storage != nullptr) {
    Block& before = *storageOf(tensor).block;
    if (currentContext().capture() != nullptr && !before.isCurrent()) {
      throw Error("ERR_CAPTURE",
                  "a tensor from before the capture changes its memory layout in the captured step; run the step once "
                  "before capturing it, and take what is written between replays through copy() first");
    }
    if (currentContext().capture() == nullptr && before.isCaptured()) {
      throw Error(
          "ERR_CAPTURE",
          "a tensor that a captured step writes is wanted in another memory layout; take it through copy() first");
    }
    before.left = true;
  }
  tensor.storage = std::move(next);
}

/// Both ways a tensor is, for each image, a matrix of channels by pixels that is transposed.
void transpose(const Shape& shape, const float* from, float* to, Layout wanted) {
  constexpr unsigned tile = 32, rows = 8;
  const auto channels = static_cast<int32_t>(shape[1]), padded = static_cast<int32_t>(paddedChannels(shape[1]));
  const auto pixels = static_cast<int32_t>(shape[2] * shape[3]);
  const int64_t images = shape[0];
  const auto tiles = [](int32_t count) { return (static_cast<unsigned>(count) + tile - 1) / tile; };
  const Dim grid{tiles(pixels), tiles(padded), static_cast<unsigned>(std::min<int64_t>(images, 65535))};
  launch(wanted == Layout::channelsLast ? "layout_to_channels_last" : "layout_to_row_major", grid, {tile, rows}, 0,
         from, to, images, channels, padded, pixels);
}

void convert(Tensor& tensor, Layout wanted) {
  auto converted = std::make_unique<CudaStorage>(tensor, wanted);
  transpose(tensor.shape, use<float>(tensor), converted->block->as<float>(), wanted);
  replace(tensor, std::move(converted));
}

}  // namespace

Layout layout(const Tensor& tensor) { return storageOf(tensor).layout; }

size_t storedElements(const Tensor& tensor) { return elementsIn(tensor.shape, layout(tensor)); }

template <class T>
T* read(Tensor& tensor) {
  if (layout(tensor) != Layout::rowMajor) convert(tensor, Layout::rowMajor);
  return use<T>(tensor);
}

float* read(Tensor& tensor, Layout wanted) {
  if (layout(tensor) != wanted) convert(tensor, wanted);
  return use<float>(tensor);
}

template <class T>
T* write(Tensor& tensor) {
  changing(tensor);
  if (tensor.storage == nullptr || layout(tensor) != Layout::rowMajor) {
    replace(tensor, std::make_unique<CudaStorage>(tensor, Layout::rowMajor));
  }
  return use<T>(tensor);
}

float* write(Tensor& tensor, Layout wanted) {
  changing(tensor);
  if (tensor.storage == nullptr || layout(tensor) != wanted) {
    replace(tensor, std::make_unique<CudaStorage>(tensor, wanted));
  }
  return use<float>(tensor);
}

Statistics::Statistics(int64_t groups, int64_t padded)
    : memory(static_cast<size_t>(groups * (2 * padded + 1))),
      view{memory.data(), memory.data() + groups * padded, memory.data() + 2 * groups * padded,
           static_cast<int32_t>(groups)} {}

void changing(Tensor& tensor) {
  if (tensor.storage != nullptr) storageOf(tensor).statistics = nullptr;
}

void attach(Tensor& tensor, std::unique_ptr<Statistics> statistics) {
  storageOf(tensor).statistics = std::move(statistics);
}

std::unique_ptr<Statistics> takeStatistics(Tensor& tensor) {
  std::unique_ptr<Statistics> taken = std::move(storageOf(tensor).statistics);
  // A captured step that took what was there before would find it gone when it is replayed.
  return taken != nullptr && taken->memory.block().isCurrent() ? std::move(taken) : nullptr;
}

CUdeviceptr peek(Tensor& tensor, std::optional<Workspace<float>>& workspace) {
  if (layout(tensor) == Layout::rowMajor) return addressOf(use<void>(tensor));
  workspace.emplace(static_cast<size_t>(tensor.elements()));
  transpose(tensor.shape, use<float>(tensor), workspace->data(), Layout::rowMajor);
  return addressOf(workspace->data());
}

template float* read<float>(Tensor&);
template int32_t* read<int32_t>(Tensor&);
template uint16_t* read<uint16_t>(Tensor&);
template uint8_t* read<uint8_t>(Tensor&);
template void* write<void>(Tensor&);
template float* write<float>(Tensor&);
template int32_t* write<int32_t>(Tensor&);
template uint16_t* write<uint16_t>(Tensor&);
template uint8_t* write<uint8_t>(Tensor&);

}  // namespace spinegrad::cuda
