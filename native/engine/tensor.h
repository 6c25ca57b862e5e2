// A tensor is a dtype, a logical shape (NCHW for images) and a storage that belongs to one device.
//
// Every tensor owns its bytes; there are no views. The operation that writes a tensor creates its storage. Only the
// queue thread accesses a storage, so a backend can choose its memory layout and change it between operations.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>

namespace spinegrad {

enum class DType : int32_t { float32 = 0, int32 = 1, uint16 = 2, uint8 = 3 };

constexpr size_t sizeOf(DType dtype) {
  switch (dtype) {
    case DType::uint16:
      return 2;
    case DType::uint8:
      return 1;
    default:
      return 4;
  }
}

class Shape {
 public:
  static constexpr size_t maxRank = 6;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) {
    for (int64_t size : sizes) push(size);
  }

  void push(int64_t size) { sizes_[rank_++] = size; }
  size_t rank() const { return rank_; }
  int64_t operator[](size_t axis) const { return sizes_[axis]; }
  const int64_t* begin() const { return sizes_.data(); }
  const int64_t* end() const { return sizes_.data() + rank_; }
  int64_t elements() const {
    int64_t product = 1;
    for (int64_t size : *this) product *= size;
    return product;
  }

 private:
  std::array<int64_t, maxRank> sizes_{};
  size_t rank_ = 0;
};

struct Storage {
  virtual ~Storage() = default;
};

class Tensor {
 public:
  Tensor(DType type, const Shape& sizes) : dtype(type), shape(sizes) {}

  int64_t elements() const { return shape.elements(); }
  size_t bytes() const { return static_cast<size_t>(elements()) * sizeOf(dtype); }

  const DType dtype;
  const Shape shape;
  std::unique_ptr<Storage> storage;
};

using TensorRef = std::shared_ptr<Tensor>;

}  // namespace spinegrad
