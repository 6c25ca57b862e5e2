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
  CudaStorage(const Tensor& tensor, Layout target)
      : block(std::make_shared<Block>(elementsIn(tensor.shape, target) * sizeOf(tensor.dtype),
                                      Consumer{tensor.dtype, &tensor.shape})),
        layout(target) {}

  const std::shared_ptr<Block> block;
  const Layout layout;
  std::unique_ptr<Statistics> statistics;
};

CudaStorage& storageOf(const Tensor& tensor) {
  if (tensor.storage == nullptr) {
    throw Error("ERR_UNINITIALISED", "a tensor was read before it was written");
  }
  return static_cast<CudaStorage&>(*tensor.storage);
}

/// The memory of a tensor that an operation is about to use.
template <class T>
T* use(const Tensor& tensor) {
  const std::shared_ptr<Block>& block = storageOf(tensor).block;
  if (Capture* capture = currentContext().capture()) capture->borrow(block);
  return block->as<T>();
}

/// Replaces the memory of a tensor, unless a captured step relies on it.
void replace(Tensor& tensor, std::unique_ptr<CudaStorage> next) {
  if (tensor.storage != nullptr) {
    Block& before = *storageOf(tensor).block;
    if (currentContext().capture() != nullptr && !before.isCurrent()) {
      throw Error("ERR_CAPTURE",
                  "the captured step changes the memory layout of a tensor from before the capture; run the step once "
                  "before capturing it, and pass values that change between replays through copy()");
    }
    if (currentContext().capture() == nullptr && before.isCaptured()) {
      throw Error("ERR_CAPTURE",
                  "an operation needs another memory layout of a tensor that a captured step writes; pass the tensor "
                  "through copy() first");
    }
    before.replaced = true;
  }
  tensor.storage = std::move(next);
}

/// Converts between the layouts: a transpose of channels by pixels per image.
void transpose(const Shape& shape, const float* from, float* to, Layout target) {
  constexpr unsigned tile = 32, rows = 8;
  const auto channels = static_cast<int32_t>(shape[1]), padded = static_cast<int32_t>(paddedChannels(shape[1]));
  const auto pixels = static_cast<int32_t>(shape[2] * shape[3]);
  const int64_t images = shape[0];
  const auto tiles = [](int32_t count) { return (static_cast<unsigned>(count) + tile - 1) / tile; };
  const Dim grid{tiles(pixels), tiles(padded), static_cast<unsigned>(std::min<int64_t>(images, 65535))};
  launch(target == Layout::channelsLast ? "layout_to_channels_last" : "layout_to_row_major", grid, {tile, rows}, 0,
         from, to, images, channels, padded, pixels);
}

void convert(Tensor& tensor, Layout target) {
  auto converted = std::make_unique<CudaStorage>(tensor, target);
  transpose(tensor.shape, use<float>(tensor), converted->block->as<float>(), target);
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

float* read(Tensor& tensor, Layout target) {
  if (layout(tensor) != target) convert(tensor, target);
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

float* write(Tensor& tensor, Layout target) {
  changing(tensor);
  if (tensor.storage == nullptr || layout(tensor) != target) {
    replace(tensor, std::make_unique<CudaStorage>(tensor, target));
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
  std::unique_ptr<Statistics> statistics = std::move(storageOf(tensor).statistics);
  // A replay would not find statistics from before the capture.
  return statistics != nullptr && statistics->memory.block().isCurrent() ? std::move(statistics) : nullptr;
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
