#include "native/cuda/memory.h"

#include "native/cuda/launch.h"
#include "native/engine/error.h"

namespace spinegrad::cuda {
namespace {

size_t elementsIn(const Shape& shape, Layout layout) {
  if (layout == Layout::rowMajor) return static_cast<size_t>(shape.elements());
  return static_cast<size_t>(shape[0] * shape[2] * shape[3] * paddedChannels(shape[1]));
}

struct CudaStorage final : Storage {
  CudaStorage(const Tensor& tensor, Layout wanted)
      : block(elementsIn(tensor.shape, wanted) * sizeOf(tensor.dtype), {tensor.dtype, &tensor.shape}), layout(wanted) {}

  Block block;
  const Layout layout;
};

CudaStorage& storageOf(const Tensor& tensor) {
  if (tensor.storage == nullptr) {
    throw Error("ERR_UNINITIALISED", "a tensor was read before anything was written to it");
  }
  return static_cast<CudaStorage&>(*tensor.storage);
}

/// Both ways the tensor is, for each image, a matrix of channels by pixels that is transposed.
void convert(Tensor& tensor, Layout to) {
  constexpr unsigned tile = 32, rows = 8;
  auto converted = std::make_unique<CudaStorage>(tensor, to);
  const Shape& shape = tensor.shape;
  const auto channels = static_cast<int32_t>(shape[1]), padded = static_cast<int32_t>(paddedChannels(shape[1]));
  const auto pixels = static_cast<int32_t>(shape[2] * shape[3]);
  const int64_t images = shape[0];
  const auto tiles = [](int32_t count) { return (static_cast<unsigned>(count) + tile - 1) / tile; };
  const Dim grid{tiles(pixels), tiles(padded), static_cast<unsigned>(std::min<int64_t>(images, 65535))};
  launch(to == Layout::channelsLast ? "layout_to_channels_last" : "layout_to_row_major", grid, {tile, rows}, 0,
         storageOf(tensor).block.as<float>(), converted->block.as<float>(), images, channels, padded, pixels);
  tensor.storage = std::move(converted);
}

}  // namespace

Layout layout(const Tensor& tensor) { return storageOf(tensor).layout; }

size_t storedElements(const Tensor& tensor) { return elementsIn(tensor.shape, layout(tensor)); }

template <class T>
T* read(Tensor& tensor) {
  if (layout(tensor) != Layout::rowMajor) convert(tensor, Layout::rowMajor);
  return storageOf(tensor).block.as<T>();
}

float* read(Tensor& tensor, Layout wanted) {
  if (layout(tensor) != wanted) convert(tensor, wanted);
  return storageOf(tensor).block.as<float>();
}

template <class T>
T* write(Tensor& tensor) {
  if (tensor.storage == nullptr || layout(tensor) != Layout::rowMajor) {
    tensor.storage = std::make_unique<CudaStorage>(tensor, Layout::rowMajor);
  }
  return storageOf(tensor).block.as<T>();
}

float* write(Tensor& tensor, Layout wanted) {
  if (tensor.storage == nullptr || layout(tensor) != wanted) {
    tensor.storage = std::make_unique<CudaStorage>(tensor, wanted);
  }
  return storageOf(tensor).block.as<float>();
}

template float* read<float>(Tensor&);
template int32_t* read<int32_t>(Tensor&);
template uint16_t* read<uint16_t>(Tensor&);
template uint8_t* read<uint8_t>(Tensor&);
template float* write<float>(Tensor&);
template int32_t* write<int32_t>(Tensor&);
template uint16_t* write<uint16_t>(Tensor&);
template uint8_t* write<uint8_t>(Tensor&);

}  // namespace spinegrad::cuda
