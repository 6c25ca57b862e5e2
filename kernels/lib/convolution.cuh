// Images and filters as the matrices of a product (lib/gemm.cuh), without ever being copied into one ("implicit GEMM").
//
//             rows                 columns             depth
//   fprop     pixels of y          filters             (r, s, c): taps and channels
//   dgrad     pixels of x          channels of x       (r, s, k): the taps that reach them, and filters
//   wgrad     filters              (r, s, c)           pixels of y
//
// A source knows which chunks of 16 bytes of its matrix each thread of the block copies, and where they lie in the
// tensor; a chunk outside of the image, or behind the end of the matrix, is zeros. Threads walk the depth by equal
// strides, so a position in it is kept as an odometer and no division is done on the way.
#pragma once

#include "kernels/conv2d.h"
#include "kernels/lib/epilogue.cuh"
#include "kernels/lib/gemm.cuh"
#include "kernels/lib/moments.cuh"

namespace spinegrad {

/// A position (outer, middle, inner) among any number x middleSize x innerSize, that moves on by `stride`.
struct Odometer {
  int outer, middle, inner;

  __device__ __forceinline__ Odometer(int position, int stride, int middleSize, int innerSize)
      : outer(position / innerSize / middleSize),
        middle(position / innerSize % middleSize),
        inner(position % innerSize),
        middleSize_(middleSize),
        innerSize_(innerSize),
        outerStride_(stride / innerSize / middleSize),
        middleStride_(stride / innerSize % middleSize),
        innerStride_(stride % innerSize) {}

  __device__ __forceinline__ void advance() {
    outer += outerStride_;
    middle += middleStride_;
    inner += innerStride_;
    if (inner >= innerSize_) inner -= innerSize_, ++middle;
    if (middle >= middleSize_) middle -= middleSize_, ++outer;
  }

 private:
  int middleSize_, innerSize_, outerStride_, middleStride_, innerStride_;
};

/// The steps of the depth that one part of a split product takes.
struct Steps {
  int first, count;

  __device__ __forceinline__ Steps(int depth, int part, int perPart)
      : first(part * perPart), count(max(0, min(ceilDivide(depth, gemmDepth) - first, perPart))) {}
};

/// One axis of a convolution: place i of a grid of `size` sees through tap u < taps the place scale i + shift + u of
/// the image in fprop, i + shift - u in dgrad.
struct Axis {
  int size, taps, scale, shift;
};

/// dgrad takes the places of x in turns of `stride`, since those of one phase (phase, phase + stride, ...) are reached
/// by the same taps: firstTap, firstTap + stride, ... Place i of the phase got its share through the u-th of them from
/// i + shift - u of dy. So each phase is a dense product, and no tap is multiplied by a gap.
struct Phase : Axis {
  int phase, stride, firstTap;

  __device__ __forceinline__ Phase(int ofPhase, int ofStride, int pad, int kernel, int length)
      : phase(ofPhase), stride(ofStride), firstTap((ofPhase + pad) % ofStride) {
    size = ceilDivide(max(0, length - phase), stride);
    taps = ceilDivide(max(0, kernel - firstTap), stride);
    scale = 1;
    shift = (phase + pad) / stride;
  }
};

/// Copies of a tile stored by rows: each thread the same chunk of several rows.
template <class Tile, int width>
struct RowCopies {
  static constexpr bool byRows = true;
  static constexpr int copies = width * 4 / Tile::threads;

  static __device__ __forceinline__ int row(int i) { return threadIdx.x / 4 + i * (Tile::threads / 4); }
  static __device__ __forceinline__ int chunk() { return threadIdx.x % 4; }
  static __device__ __forceinline__ float* place(float* tile, int i) { return tile + placeInRows(row(i), chunk()); }
};

/// And by columns: the same chunk at several places of the depth, `stride` apart, from one step to the next as well.
template <class Tile, int width>
struct ColumnCopies {
  static constexpr bool byRows = false;
  static constexpr int stride = Tile::threads * 4 / width;
  static constexpr int copies = gemmDepth / stride;

  static __device__ __forceinline__ int first() { return threadIdx.x / (width / 4); }
  static __device__ __forceinline__ int column() { return threadIdx.x % (width / 4) * 4; }
  static __device__ __forceinline__ float* place(float* tile, int i) {
    return tile + placeInColumns<width>(first() + i * stride, column() / 4);
  }
};

/// A of fprop and dgrad: a row is a place (n, i, j) of the grid, the depth what it sees of the image, (u, v, channel).
template <class Tile, int direction>
class PixelRows : public RowCopies<Tile, Tile::rows> {
  using Copies = RowCopies<Tile, Tile::rows>;

 public:
  __device__ __forceinline__ PixelRows(const float* image, int images, int height, int width, int channels,
                                       const Axis& down, const Axis& across, int firstRow, int firstStep)
      : image_(image),
        height_(height),
        width_(width),
        channels_(channels),
        taps_(down.taps),
        depth_(firstStep * gemmDepth + Copies::chunk() * 4, gemmDepth, max(1, across.taps), channels) {
#pragma unroll
    for (int i = 0; i < Copies::copies; ++i) {
      const int row = firstRow + Copies::row(i), n = row / across.size / down.size;
      top_[i] = row / across.size % down.size * down.scale + down.shift;
      left_[i] = row % across.size * across.scale + across.shift;
      corner_[i] = ((n * height + top_[i]) * width + left_[i]) * channels;
      if (n >= images) top_[i] = -(1 << 30);  // no row of the image is there
    }
  }

  __device__ __forceinline__ void fetch(float* tile) {
    const int down = direction * depth_.outer, across = direction * depth_.middle;
    const int seen = (down * width_ + across) * channels_ + depth_.inner;
#pragma unroll
    for (int i = 0; i < Copies::copies; ++i) {
      const bool inside = depth_.outer < taps_ && static_cast<unsigned>(top_[i] + down) < unsigned(height_) &&
                          static_cast<unsigned>(left_[i] + across) < unsigned(width_);
      copyAsync16(Copies::place(tile, i), image_ + (inside ? corner_[i] + seen : 0), inside);
    }
    depth_.advance();
  }

 private:
  const float* image_;
  int height_, width_, channels_, taps_;
  Odometer depth_;
  int top_[Copies::copies], left_[Copies::copies], corner_[Copies::copies];
};

/// B of fprop: a column is a filter, whose taps and channels lie behind each other.
template <class Tile>
class FilterRows : public RowCopies<Tile, Tile::columns> {
  using Copies = RowCopies<Tile, Tile::columns>;

 public:
  __device__ __forceinline__ FilterRows(const float* w, int filters, int size, int firstColumn, int firstStep)
      : w_(w), filters_(filters - firstColumn), size_(size), depth_(firstStep * gemmDepth + Copies::chunk() * 4) {
    w_ += int64_t(firstColumn) * size;
  }

  __device__ __forceinline__ void fetch(float* tile) {
#pragma unroll
    for (int i = 0; i < Copies::copies; ++i) {
      const bool inside = Copies::row(i) < filters_ && depth_ < size_;
      copyAsync16(Copies::place(tile, i), w_ + (inside ? Copies::row(i) * size_ + depth_ : 0), inside);
    }
    depth_ += gemmDepth;
  }

 private:
  const float* w_;
  int filters_, size_, depth_;
};

/// B of dgrad: a column is a channel, the depth (u, v, filter) of a phase.
template <class Tile>
class FilterColumns : public ColumnCopies<Tile, Tile::columns> {
  using Copies = ColumnCopies<Tile, Tile::columns>;

 public:
  __device__ __forceinline__ FilterColumns(const float* w, const Conv2dShape& shape, const Phase& down,
                                           const Phase& across, int firstColumn, int firstStep)
      : w_(w),
        shape_(shape),
        depth_(firstStep * gemmDepth + Copies::first(), Copies::stride, max(1, across.taps), shape.outputChannels) {
    const int column = firstColumn + Copies::column();
    start_ = (down.firstTap * shape.kernelW + across.firstTap) * shape.channels + column;
    taps_ = column < shape.channels ? down.taps : 0;
  }

  __device__ __forceinline__ void fetch(float* tile) {
#pragma unroll
    for (int i = 0; i < Copies::copies; ++i) {
      const bool inside = depth_.outer < taps_ && depth_.inner < shape_.filters;
      const int tap = (depth_.inner * shape_.kernelH + depth_.outer * shape_.strideH) * shape_.kernelW +
                      depth_.middle * shape_.strideW;
      copyAsync16(Copies::place(tile, i), w_ + (inside ? start_ + tap * shape_.channels : 0), inside);
      depth_.advance();
    }
  }

 private:
  const float* w_;
  const Conv2dShape& shape_;
  int start_, taps_;
  Odometer depth_;
};

/// A of wgrad: a row is a filter, the depth the pixels of y, that lie behind each other.
template <class Tile>
class GradientColumns : public ColumnCopies<Tile, Tile::rows> {
  using Copies = ColumnCopies<Tile, Tile::rows>;

 public:
  __device__ __forceinline__ GradientColumns(const float* dy, int pixels, int pitch, int firstRow, int firstStep)
      : dy_(dy + firstRow + Copies::column()),
        pixels_(firstRow + Copies::column() < pitch ? pixels : 0),
        pitch_(pitch),
        depth_(firstStep * gemmDepth + Copies::first()) {}

  __device__ __forceinline__ void fetch(float* tile) {
#pragma unroll
    for (int i = 0; i < Copies::copies; ++i) {
      const bool inside = depth_ < pixels_;
      copyAsync16(Copies::place(tile, i), dy_ + (inside ? depth_ * pitch_ : 0), inside);
      depth_ += Copies::stride;
    }
  }

 private:
  const float* dy_;
  int pixels_, pitch_, depth_;
};

/// B of wgrad: a column is a tap and channel (r, s, c), the depth the pixels (n, p, q) of y, each of which saw one
/// pixel of x through that tap.
template <class Tile>
class PixelColumns : public ColumnCopies<Tile, Tile::columns> {
  using Copies = ColumnCopies<Tile, Tile::columns>;

 public:
  __device__ __forceinline__ PixelColumns(const float* x, const Conv2dShape& shape, int firstColumn, int firstStep)
      : x_(x),
        shape_(shape),
        depth_(firstStep * gemmDepth + Copies::first(), Copies::stride, shape.outputH, shape.outputW) {
    const int column = firstColumn + Copies::column(), tap = column / shape.channels;
    x_ += column % shape.channels;
    top_ = tap / shape.kernelW - shape.padH;
    left_ = tap % shape.kernelW - shape.padW;
    images_ = tap < shape.kernelH * shape.kernelW ? shape.images : 0;
  }

  __device__ __forceinline__ void fetch(float* tile) {
#pragma unroll
    for (int i = 0; i < Copies::copies; ++i) {
      const int h = depth_.middle * shape_.strideH + top_, w = depth_.inner * shape_.strideW + left_;
      const bool inside = depth_.outer < images_ && static_cast<unsigned>(h) < unsigned(shape_.height) &&
                          static_cast<unsigned>(w) < unsigned(shape_.width);
      const int pixel = (depth_.outer * shape_.height + h) * shape_.width + w;
      copyAsync16(Copies::place(tile, i), x_ + (inside ? pixel * shape_.channels : 0), inside);
      depth_.advance();
    }
  }

 private:
  const float* x_;
  const Conv2dShape& shape_;
  Odometer depth_;
  int images_, top_, left_;
};

/// C as rows of `pitch` floats behind each other: dw of wgrad.
struct RowsOut {
  float* result;
  int64_t first;  // of the tile
  int rows, columns, pitch;

  __device__ __forceinline__ int64_t row(int i) const { return i < rows ? first + int64_t(i) * pitch : -1; }
  __device__ __forceinline__ Float4 bias(int) const { return Float4{}; }
  __device__ __forceinline__ void store(int64_t at, const Float4& values) const {
    spinegrad::store(result + at, values);
  }
  template <class Sums>
  __device__ __forceinline__ void observe(const Sums&, int, int) const {}
};

/// y of fprop: rows with the epilogue of the convolution.
struct PixelsOut : RowsOut {
  const Conv2dEpilogue& epilogue;
  int firstRow, firstColumn, filters;

  __device__ __forceinline__ PixelsOut(float* y, int pixels, int pitch, int filters, int firstRow, int firstColumn,
                                       const Conv2dEpilogue& epilogue)
      : RowsOut{y, int64_t(firstRow) * pitch + firstColumn, pixels - firstRow, pitch - firstColumn, pitch},
        epilogue(epilogue),
        firstRow(firstRow),
        firstColumn(firstColumn),
        filters(filters) {}

  __device__ __forceinline__ Float4 bias(int column) const {
    return epilogue.bias != nullptr ? loadFour(epilogue.bias, firstColumn + column, filters) : Float4{};
  }
  __device__ __forceinline__ void store(int64_t at, const Float4& values) const {
    spinegrad::store(result + at, finished(values, epilogue, at));
  }

  /// A warp's rows are one group of the statistics. The eight lanes of a column have two rows each of every 16.
  template <int rowBlocks, int columnBlocks>
  __device__ __forceinline__ void observe(const float (&sums)[rowBlocks][columnBlocks][4], int warpRow,
                                          int warpColumn) const {
    const ChannelStatistics& to = epilogue.statistics;
    const int count = min(rows - warpRow, 16 * rowBlocks), group = (firstRow + warpRow) / (16 * rowBlocks);
    if (to.counts == nullptr || count <= 0) return;
    if (firstColumn + warpColumn == 0 && laneId() == 0) to.counts[group] = count;
#pragma unroll
    for (int j = 0; j < columnBlocks; ++j) {
      Float2 pair[2];
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        pair[k] = momentsOf<2 * rowBlocks, 4>(
            count, [&](int i) { return sums[i / 2][j][i % 2 * 2 + k]; },
            [&](int i) { return 16 * (i / 2) + accumulatorRow(i % 2 * 2) < count; });
      }
      const int column = warpColumn + 8 * j + accumulatorColumn(0);
      if (laneId() >= 4 || column >= columns) continue;
      const Float4 added = bias(column / 4 * 4);
      const int64_t at = int64_t(group) * pitch + firstColumn + column;
#pragma unroll
      for (int k = 0; k < 2; ++k) pair[k][0] += column % 4 == 0 ? added[k] : added[k + 2];
      spinegrad::store(to.means + at, Float2{{pair[0][0], pair[1][0]}});
      spinegrad::store(to.squares + at, Float2{{pair[0][1], pair[1][1]}});
    }
  }
};

/// C as the pixels of a phase: dx of dgrad, one for each part.
struct PhaseOut {
  float* dx;
  const Conv2dShape& shape;
  const Phase &down, &across;
  int part, firstRow, firstColumn, columns;

  __device__ __forceinline__ int64_t row(int i) const {
    const int row = firstRow + i, n = row / across.size / down.size;
    const int h = row / across.size % down.size * shape.strideH + down.phase;
    const int w = row % across.size * shape.strideW + across.phase;
    const int64_t pixel = ((int64_t(part) * shape.images + n) * shape.height + h) * shape.width + w;
    return n < shape.images ? pixel * shape.channels + firstColumn : -1;
  }
  __device__ __forceinline__ Float4 bias(int) const { return Float4{}; }
  __device__ __forceinline__ void store(int64_t at, const Float4& values) const { spinegrad::store(dx + at, values); }
  template <class Sums>
  __device__ __forceinline__ void observe(const Sums&, int, int) const {}
};

}  // namespace spinegrad
