// maxPool2d of channel-blocked images. Forward stores the argmax of each window as one byte, and backward adds the
// gradient at that pixel. Windows overlap only within a plane, and one thread processes a plane, so the order of sums
// is fixed.

#include <algorithm>

#include "native/cpu/ops/planes.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/lanes.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

/// The part of a window that is inside the image: rows [top, bottom) and columns [left, right), and the position of its
/// first pixel in the window.
struct Window {
  int64_t top, bottom, left, right, firstRow, firstColumn;

  Window(const Planes& x, const MaxPool2dAttributes& a, int64_t p, int64_t q)
      : top(std::max<int64_t>(p * a.strideH - a.padH, 0)),
        bottom(std::min(p * a.strideH - a.padH + a.kernelH, x.height)),
        left(std::max<int64_t>(q * a.strideW - a.padW, 0)),
        right(std::min(q * a.strideW - a.padW + a.kernelW, x.width)),
        firstRow(top - (p * a.strideH - a.padH)),
        firstColumn(left - (q * a.strideW - a.padW)) {}

  /// Calls visit(pixel, position in the window). Complete windows are unrolled if their `side` is not 0.
  template <int64_t side, class Visit>
  SPINEGRAD_INLINE void each(const Planes& x, const MaxPool2dAttributes& a, Visit visit) const {
    if (side > 0 && bottom - top == side && right - left == side) {
#pragma GCC unroll 9
      for (int32_t position = 0; position < side * side; ++position) {
        visit((top + position / side) * x.width + left + position % side, position);
      }
      return;
    }
    for (int64_t row = top; row < bottom; ++row) {
      const int64_t position = (firstRow + row - top) * a.kernelW + firstColumn;
      for (int64_t column = left; column < right; ++column) {
        visit(row * x.width + column, static_cast<int32_t>(position + column - left));
      }
    }
  }
};

template <int64_t lanes, int64_t side>
SPINEGRAD_INLINE void poolPlane(const Planes& x, const Planes& y, const MaxPool2dAttributes& a, const float* from,
                                float* to, uint8_t* argmax) {
  typedef uint8_t Bytes __attribute__((vector_size(lanes), aligned(1), may_alias));
  using Integers = typename LanesOf<lanes>::Integers;
  for (int64_t p = 0; p < y.height; ++p) {
    for (int64_t q = 0; q < y.width; ++q, to += lanes, argmax += lanes) {
      const Window window(x, a, p, q);
      Lanes<lanes> max = lanesAt<lanes>(from, window.top * x.width + window.left);
      Integers maxPosition = Integers{} + static_cast<int32_t>(window.firstRow * a.kernelW + window.firstColumn);
      window.each<side>(x, a, [&](int64_t pixel, int32_t position) SPINEGRAD_LAMBDA {
        const Lanes<lanes> value = lanesAt<lanes>(from, pixel);
        // NaN is the maximum: a NaN is kept, and it replaces any value. At most one mask is set, so their sum is their
        // OR. GCC 12 compiles the OR of two vector comparisons to scalar code.
        const Integers keeps = (value <= max) + (max != max);
        max = keeps ? max : value;
        maxPosition = keeps ? maxPosition : Integers{} + position;
      });
      lanesAt<lanes>(to, 0) = max;
      *reinterpret_cast<Bytes*>(argmax) = __builtin_convertvector(maxPosition, Bytes);
    }
  }
}

template <int64_t lanes, int64_t side>
SPINEGRAD_INLINE void poolGradientPlane(const Planes& x, const Planes& y, const MaxPool2dAttributes& a,
                                        const float* from, const uint8_t* argmax, float* to) {
  typedef uint8_t Bytes __attribute__((vector_size(lanes), aligned(1), may_alias));
  using Integers = typename LanesOf<lanes>::Integers;
  for (int64_t p = 0; p < y.height; ++p) {
    for (int64_t q = 0; q < y.width; ++q, from += lanes, argmax += lanes) {
      const Integers maxPosition = __builtin_convertvector(*reinterpret_cast<const Bytes*>(argmax), Integers);
      const Lanes<lanes> gradient = lanesAt<lanes>(from, 0);
      Window(x, a, p, q).each<side>(x, a, [=](int64_t pixel, int32_t position) SPINEGRAD_LAMBDA {
        lanesAt<lanes>(to, pixel) += maxPosition == position ? gradient : Lanes<lanes>{};
      });
    }
  }
}

/// The window of ResNet.
bool threeByThree(const MaxPool2dAttributes& a) { return a.kernelH == 3 && a.kernelW == 3; }

template <int64_t side>
SPINEGRAD_INLINE void poolBy(const Planes& x, const Planes& y, const MaxPool2dAttributes& a, const float* from,
                             float* to, uint8_t* argmax) {
  x.lanes == 16 ? poolPlane<16, side>(x, y, a, from, to, argmax) : poolPlane<8, side>(x, y, a, from, to, argmax);
}

SPINEGRAD_SIMD void pool(const Planes& x, const Planes& y, const MaxPool2dAttributes& a, bool three, const float* from,
                         float* to, uint8_t* argmax) {
  three ? poolBy<3>(x, y, a, from, to, argmax) : poolBy<0>(x, y, a, from, to, argmax);
}

template <int64_t side>
SPINEGRAD_INLINE void poolGradientBy(const Planes& x, const Planes& y, const MaxPool2dAttributes& a, const float* from,
                                     const uint8_t* argmax, float* to) {
  x.lanes == 16 ? poolGradientPlane<16, side>(x, y, a, from, argmax, to)
                : poolGradientPlane<8, side>(x, y, a, from, argmax, to);
}

SPINEGRAD_SIMD void poolGradient(const Planes& x, const Planes& y, const MaxPool2dAttributes& a, bool three,
                                 const float* from, const uint8_t* argmax, float* to) {
  three ? poolGradientBy<3>(x, y, a, from, argmax, to) : poolGradientBy<0>(x, y, a, from, argmax, to);
}

/// One byte per value of y, padding channels included.
size_t argmaxBytes(const Planes& y) { return static_cast<size_t>(y.images * y.blocks * y.size()); }

void forward(const MaxPool2dForward& op) {
  const Planes x(op.x.shape), y(op.y.shape);
  const MaxPool2dAttributes attributes(op);
  const bool three = threeByThree(attributes);
  const float* source = read(op.x, channelBlocked(op.x.shape));
  float* target = write(op.y, channelBlocked(op.y.shape));
  uint8_t* argmax = writePadded(op.winner, argmaxBytes(y));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t image = 0; image < x.images; ++image) {
    for (int64_t block = 0; block < x.blocks; ++block) {
      pool(x, y, attributes, three, source + x.offset(image, block), target + y.offset(image, block),
           argmax + y.offset(image, block));
    }
  }
}

void backward(const MaxPool2dBackward& op) {
  const Planes x(op.dx.shape), y(op.dy.shape);
  const MaxPool2dAttributes attributes(op);
  const bool three = threeByThree(attributes);
  const float* dy = read(op.dy, channelBlocked(op.dy.shape));
  const uint8_t* argmax = read<uint8_t>(op.winner);
  float* dx = write(op.dx, channelBlocked(op.dx.shape));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t image = 0; image < x.images; ++image) {
    for (int64_t block = 0; block < x.blocks; ++block) {
      float* to = dx + x.offset(image, block);
      std::fill_n(to, x.size(), 0.0f);
      poolGradient(x, y, attributes, three, dy + y.offset(image, block), argmax + y.offset(image, block), to);
    }
  }
}

const Register<forward> registerForward("maxPool2d.forward");
const Register<backward> registerBackward("maxPool2d.backward");

}  // namespace
}  // namespace spinegrad::cpu
