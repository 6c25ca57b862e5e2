// Tile iterators that let lib/gemm.cuh read images and filters as matrices, without building the matrices (implicit
// GEMM):
//
//             M                   N                   K
//   fprop     pixels of y         filters             (r, s, c): taps and channels
//   dgrad     pixels of x         channels of x       (r, s, k): the taps that reach these pixels, and filters
//   wgrad     filters             (r, s, c)           pixels of y
//
// An iterator maps a thread to the 16-byte vectors that it copies. A vector outside the image or the matrix is zero. A
// thread moves along K by a constant stride, so it divides only in the constructor.
#pragma once

#include "kernels/conv2d.h"
#include "kernels/lib/epilogue.cuh"
#include "kernels/lib/gemm.cuh"
#include "kernels/lib/moments.cuh"

namespace spinegrad {

/// A position along K as coordinates (outer, middle, inner), which advances by `stride`.
struct KIterator {
  int outer, middle, inner;

  __device__ __forceinline__ KIterator(int position, int stride, int middleSize, int innerSize)
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

/// The K steps of one split.
struct KRange {
  int first, count;

  __device__ __forceinline__ KRange(int K, int split, int stepsPerSplit)
      : first(split * stepsPerSplit), count(max(0, min(ceilDivide(K, gemmTileK) - first, stepsPerSplit))) {}
};

/// One axis of a convolution. Through tap u < taps, output position i < size reads the image at scale i + shift + u in
/// fprop and at i + shift - u in dgrad.
struct Axis {
  int size, taps, scale, shift;
};

/// One axis of one phase of dgrad. The positions phase, phase + stride, ... of x are reached by the same taps firstTap,
/// firstTap + stride, ..., so each phase is a dense GEMM. Position i of the phase receives a gradient from position
/// i + shift - u of dy through the u-th of these taps.
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

/// Which vectors of a K-major tile of `width` rows a thread copies: the same vector of several rows.
template <class Shape, int width>
struct KMajorThreadMap {
  static constexpr bool kMajor = true;
  static constexpr int copies = width * 4 / Shape::threads;

  static __device__ __forceinline__ int row(int i) { return threadIdx.x / 4 + i * (Shape::threads / 4); }
  static __device__ __forceinline__ int vector() { return threadIdx.x % 4; }
  static __device__ __forceinline__ float* target(float* tile, int i) { return tile + swizzleKMajor(row(i), vector()); }
};

/// Which vectors of an MN-major tile of `width` columns a thread copies: the same column at K positions `stride` apart,
/// within a step and from one step to the next.
template <class Shape, int width>
struct MNMajorThreadMap {
  static constexpr bool kMajor = false;
  static constexpr int stride = Shape::threads * 4 / width;
  static constexpr int copies = gemmTileK / stride;

  static __device__ __forceinline__ int first() { return threadIdx.x / (width / 4); }
  static __device__ __forceinline__ int column() { return threadIdx.x % (width / 4) * 4; }
  static __device__ __forceinline__ float* target(float* tile, int i) {
    return tile + swizzleMNMajor<width>(first() + i * stride, column() / 4);
  }
};

/// A of fprop and dgrad. A row is a pixel (n, i, j) of the result, K is (u, v, channel) of the image that it reads.
template <class Shape, int direction>
class PixelTileIterator : public KMajorThreadMap<Shape, Shape::M> {
  using Map = KMajorThreadMap<Shape, Shape::M>;

 public:
  __device__ __forceinline__ PixelTileIterator(const float* image, int images, int height, int width, int channels,
                                               const Axis& vertical, const Axis& horizontal, int firstRow,
                                               int firstStep)
      : image_(image),
        height_(height),
        width_(width),
        channels_(channels),
        taps_(vertical.taps),
        k_(firstStep * gemmTileK + Map::vector() * 4, gemmTileK, max(1, horizontal.taps), channels) {
#pragma unroll
    for (int i = 0; i < Map::copies; ++i) {
      const int row = firstRow + Map::row(i), n = row / horizontal.size / vertical.size;
      top_[i] = row / horizontal.size % vertical.size * vertical.scale + vertical.shift;
      left_[i] = row % horizontal.size * horizontal.scale + horizontal.shift;
      corner_[i] = ((n * height + top_[i]) * width + left_[i]) * channels;
      if (n >= images) top_[i] = -(1 << 30);  // outside the image for every tap
    }
  }

  __device__ __forceinline__ void fetch(float* tile) {
    const int down = direction * k_.outer, right = direction * k_.middle;
    const int offset = (down * width_ + right) * channels_ + k_.inner;
#pragma unroll
    for (int i = 0; i < Map::copies; ++i) {
      const bool inside = k_.outer < taps_ && static_cast<unsigned>(top_[i] + down) < unsigned(height_) &&
                          static_cast<unsigned>(left_[i] + right) < unsigned(width_);
      copyAsync16(Map::target(tile, i), image_ + (inside ? corner_[i] + offset : 0), inside);
    }
    k_.advance();
  }

 private:
  const float* image_;
  int height_, width_, channels_, taps_;
  KIterator k_;
  int top_[Map::copies], left_[Map::copies], corner_[Map::copies];
};

/// B of fprop. A column is a filter, whose taps and channels are contiguous.
template <class Shape>
class FpropFilterTileIterator : public KMajorThreadMap<Shape, Shape::N> {
  using Map = KMajorThreadMap<Shape, Shape::N>;

 public:
  __device__ __forceinline__ FpropFilterTileIterator(const float* w, int filters, int filterSize, int firstColumn,
                                                     int firstStep)
      : w_(w), filters_(filters - firstColumn), filterSize_(filterSize), k_(firstStep * gemmTileK + Map::vector() * 4) {
    w_ += int64_t(firstColumn) * filterSize;
  }

  __device__ __forceinline__ void fetch(float* tile) {
#pragma unroll
    for (int i = 0; i < Map::copies; ++i) {
      const bool inside = Map::row(i) < filters_ && k_ < filterSize_;
      copyAsync16(Map::target(tile, i), w_ + (inside ? Map::row(i) * filterSize_ + k_ : 0), inside);
    }
    k_ += gemmTileK;
  }

 private:
  const float* w_;
  int filters_, filterSize_, k_;
};

/// B of dgrad. A column is a channel, K is (u, v, filter) of a phase.
template <class Shape>
class DgradFilterTileIterator : public MNMajorThreadMap<Shape, Shape::N> {
  using Map = MNMajorThreadMap<Shape, Shape::N>;

 public:
  __device__ __forceinline__ DgradFilterTileIterator(const float* w, const Conv2dShape& shape, const Phase& vertical,
                                                     const Phase& horizontal, int firstColumn, int firstStep)
      : w_(w),
        shape_(shape),
        k_(firstStep * gemmTileK + Map::first(), Map::stride, max(1, horizontal.taps), shape.outputChannels) {
    const int column = firstColumn + Map::column();
    start_ = (vertical.firstTap * shape.kernelW + horizontal.firstTap) * shape.channels + column;
    taps_ = column < shape.channels ? vertical.taps : 0;
  }

  __device__ __forceinline__ void fetch(float* tile) {
#pragma unroll
    for (int i = 0; i < Map::copies; ++i) {
      const bool inside = k_.outer < taps_ && k_.inner < shape_.filters;
      const int tap =
          (k_.inner * shape_.kernelH + k_.outer * shape_.strideH) * shape_.kernelW + k_.middle * shape_.strideW;
      copyAsync16(Map::target(tile, i), w_ + (inside ? start_ + tap * shape_.channels : 0), inside);
      k_.advance();
    }
  }

 private:
  const float* w_;
  const Conv2dShape& shape_;
  int start_, taps_;
  KIterator k_;
};

/// A of wgrad. A row is a filter, K is the pixels of y, `pitch` floats apart.
template <class Shape>
class WgradGradientTileIterator : public MNMajorThreadMap<Shape, Shape::M> {
  using Map = MNMajorThreadMap<Shape, Shape::M>;

 public:
  __device__ __forceinline__ WgradGradientTileIterator(const float* dy, int pixels, int pitch, int firstRow,
                                                       int firstStep)
      : dy_(dy + firstRow + Map::column()),
        pixels_(firstRow + Map::column() < pitch ? pixels : 0),
        pitch_(pitch),
        k_(firstStep * gemmTileK + Map::first()) {}

  __device__ __forceinline__ void fetch(float* tile) {
#pragma unroll
    for (int i = 0; i < Map::copies; ++i) {
      const bool inside = k_ < pixels_;
      copyAsync16(Map::target(tile, i), dy_ + (inside ? k_ * pitch_ : 0), inside);
      k_ += Map::stride;
    }
  }

 private:
  const float* dy_;
  int pixels_, pitch_, k_;
};

/// B of wgrad. A column is a tap and channel (r, s, c), K is the pixels (n, p, q) of y. Each of them read one pixel of
/// x through the tap.
template <class Shape>
class WgradPixelTileIterator : public MNMajorThreadMap<Shape, Shape::N> {
  using Map = MNMajorThreadMap<Shape, Shape::N>;

 public:
  __device__ __forceinline__ WgradPixelTileIterator(const float* x, const Conv2dShape& shape, int firstColumn,
                                                    int firstStep)
      : x_(x), shape_(shape), k_(firstStep * gemmTileK + Map::first(), Map::stride, shape.outputH, shape.outputW) {
    const int column = firstColumn + Map::column(), tap = column / shape.channels;
    x_ += column % shape.channels;
    top_ = tap / shape.kernelW - shape.padH;
    left_ = tap % shape.kernelW - shape.padW;
    images_ = tap < shape.kernelH * shape.kernelW ? shape.images : 0;
  }

  __device__ __forceinline__ void fetch(float* tile) {
#pragma unroll
    for (int i = 0; i < Map::copies; ++i) {
      const int h = k_.middle * shape_.strideH + top_, w = k_.inner * shape_.strideW + left_;
      const bool inside = k_.outer < images_ && static_cast<unsigned>(h) < unsigned(shape_.height) &&
                          static_cast<unsigned>(w) < unsigned(shape_.width);
      const int pixel = (k_.outer * shape_.height + h) * shape_.width + w;
      copyAsync16(Map::target(tile, i), x_ + (inside ? pixel * shape_.channels : 0), inside);
      k_.advance();
    }
  }

 private:
  const float* x_;
  const Conv2dShape& shape_;
  KIterator k_;
  int images_, top_, left_;
};

/// Output of wgrad: dw as rows `pitch` floats apart, without an epilogue.
struct RowOutput {
  float* result;
  int64_t first;  // offset of the tile
  int rows, columns, pitch;

  __device__ __forceinline__ int64_t row(int i) const { return i < rows ? first + int64_t(i) * pitch : -1; }
  __device__ __forceinline__ Float4 bias(int) const { return Float4{}; }
  __device__ __forceinline__ void store(int64_t at, const Float4& values) const {
    spinegrad::store(result + at, values);
  }
  template <class Accumulators>
  __device__ __forceinline__ void accumulateStats(const Accumulators&, int, int) const {}
};

/// Output of fprop: the pixels of y, with the epilogue of the convolution.
struct FpropOutput : RowOutput {
  const Conv2dEpilogue& epilogue;
  int firstRow, firstColumn, filters;

  __device__ __forceinline__ FpropOutput(float* y, int pixels, int pitch, int filters, int firstRow, int firstColumn,
                                         const Conv2dEpilogue& epilogue)
      : RowOutput{y, int64_t(firstRow) * pitch + firstColumn, pixels - firstRow, pitch - firstColumn, pitch},
        epilogue(epilogue),
        firstRow(firstRow),
        firstColumn(firstColumn),
        filters(filters) {}

  __device__ __forceinline__ Float4 bias(int column) const {
    return epilogue.bias != nullptr ? loadFour(epilogue.bias, firstColumn + column, filters) : Float4{};
  }
  __device__ __forceinline__ void store(int64_t at, const Float4& values) const {
    spinegrad::store(result + at, applyEpilogue(values, epilogue, at));
  }

  /// The rows of a warp are one group of the statistics. Eight lanes share a column and hold two rows each of every 16.
  /// On sm_90 (CUDA 13.0) this costs a warp of 64 rows more than 1,000 instructions, about 10 % of what the 36 steps of
  /// a 3x3 layer of 64 channels issue in the main loop.
  template <int mmasM, int mmasN>
  __device__ __forceinline__ void accumulateStats(const float (&accumulators)[mmasM][mmasN][4], int warpRow,
                                                  int warpColumn) const {
    const ChannelStatistics& to = epilogue.statistics;
    const int count = min(rows - warpRow, 16 * mmasM), group = (firstRow + warpRow) / (16 * mmasM);
    if (to.counts == nullptr || count <= 0) return;
    if (firstColumn + warpColumn == 0 && laneId() == 0) to.counts[group] = count;
#pragma unroll
    for (int j = 0; j < mmasN; ++j) {
      Float2 moments[2];
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        moments[k] = momentsOf<2 * mmasM, 4>(
            count, [&](int i) { return accumulators[i / 2][j][i % 2 * 2 + k]; },
            [&](int i) { return 16 * (i / 2) + accumulatorRow(i % 2 * 2) < count; });
      }
      const int column = warpColumn + 8 * j + accumulatorColumn(0);
      if (laneId() >= 4 || column >= columns) continue;
      const Float4 added = bias(column / 4 * 4);
      const int64_t at = int64_t(group) * pitch + firstColumn + column;
#pragma unroll
      for (int k = 0; k < 2; ++k) moments[k][0] += column % 4 == 0 ? added[k] : added[k + 2];
      spinegrad::store(to.means + at, Float2{{moments[0][0], moments[1][0]}});
      spinegrad::store(to.squares + at, Float2{{moments[0][1], moments[1][1]}});
    }
  }
};

/// Output of dgrad: the pixels of one phase of dx, in the dx of one split.
struct DgradOutput {
  float* dx;
  const Conv2dShape& shape;
  const Phase &vertical, &horizontal;
  int split, firstRow, firstColumn, columns;

  __device__ __forceinline__ int64_t row(int i) const {
    const int row = firstRow + i, n = row / horizontal.size / vertical.size;
    const int h = row / horizontal.size % vertical.size * shape.strideH + vertical.phase;
    const int w = row % horizontal.size * shape.strideW + horizontal.phase;
    const int64_t pixel = ((int64_t(split) * shape.images + n) * shape.height + h) * shape.width + w;
    return n < shape.images ? pixel * shape.channels + firstColumn : -1;
  }
  __device__ __forceinline__ Float4 bias(int) const { return Float4{}; }
  __device__ __forceinline__ void store(int64_t at, const Float4& values) const { spinegrad::store(dx + at, values); }
  template <class Accumulators>
  __device__ __forceinline__ void accumulateStats(const Accumulators&, int, int) const {}
};

}  // namespace spinegrad
