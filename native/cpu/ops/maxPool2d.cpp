// maxPool2d over channel-blocked images. Forward notes which value of the window won (one byte); backward sends the
// gradient there. Windows overlap only within one plane, and one thread does a whole plane, so sums are ordered.

#include <algorithm>

#include "native/cpu/ops/planes.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/lanes.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

/// The part of a window that lies inside the image: rows [top, bottom) and columns [left, right), and the place of its
/// first value in the whole window.
struct Window {
  int64_t top, bottom, left, right, firstRow, firstColumn;

  Window(const Planes& x, const MaxPool2dAttributes& a, int64_t p, int64_t q)
      : top(std::max<int64_t>(p * a.strideH - a.padH, 0)),
        bottom(std::min(p * a.strideH - a.padH + a.kernelH, x.height)),
        left(std::max<int64_t>(q * a.strideW - a.padW, 0)),
        right(std::min(q * a.strideW - a.padW + a.kernelW, x.width)),
        firstRow(top - (p * a.strideH - a.padH)),
        firstColumn(left - (q * a.strideW - a.padW)) {}

  /// Calls visit(pixel, place in the window). Windows of a `side` that is known here are unrolled where they are whole.
  template <int64_t side, class Visit>
  SPINEGRAD_INLINE void each(const Planes& x, const MaxPool2dAttributes& a, Visit visit) const {
    if (side > 0 && bottom - top == side && right - left == side) {
#pragma GCC unroll 9
      for (int32_t place = 0; place < side * side; ++place) {
        visit((top + place / side) * x.width + left + place % side, place);
      }
      return;
    }
    for (int64_t row = top; row < bottom; ++row) {
      const int64_t place = (firstRow + row - top) * a.kernelW + firstColumn;
      for (int64_t column = left; column < right; ++column) {
        visit(row * x.width + column, static_cast<int32_t>(place + column - left));
      }
    }
  }
};

template <int64_t block, int64_t side>
SPINEGRAD_INLINE void poolPlane(const Planes& x, const Planes& y, const MaxPool2dAttributes& a, const float* from,
                                float* to, uint8_t* won) {
  typedef uint8_t Bytes __attribute__((vector_size(block), aligned(1), may_alias));
  using Integers = typename LanesOf<block>::Integers;
  for (int64_t p = 0; p < y.height; ++p) {
    for (int64_t q = 0; q < y.width; ++q, to += block, won += block) {
      const Window window(x, a, p, q);
      Lanes<block> best = lanesAt<block>(from, window.top * x.width + window.left);
      Integers winner = Integers{} + static_cast<int32_t>(window.firstRow * a.kernelW + window.firstColumn);
      window.each<side>(x, a, [&](int64_t pixel, int32_t place) SPINEGRAD_LAMBDA {
        const Lanes<block> value = lanesAt<block>(from, pixel);
        // Written so that NaN wins over everything.
        const Integers keeps = value <= best;
        best = keeps ? best : value;
        winner = keeps ? winner : Integers{} + place;
      });
      lanesAt<block>(to, 0) = best;
      *reinterpret_cast<Bytes*>(won) = __builtin_convertvector(winner, Bytes);
    }
  }
}

template <int64_t block, int64_t side>
SPINEGRAD_INLINE void poolGradientPlane(const Planes& x, const Planes& y, const MaxPool2dAttributes& a,
                                        const float* from, const uint8_t* won, float* to) {
  typedef uint8_t Bytes __attribute__((vector_size(block), aligned(1), may_alias));
  using Integers = typename LanesOf<block>::Integers;
  for (int64_t p = 0; p < y.height; ++p) {
    for (int64_t q = 0; q < y.width; ++q, from += block, won += block) {
      const Integers winner = __builtin_convertvector(*reinterpret_cast<const Bytes*>(won), Integers);
      const Lanes<block> gradient = lanesAt<block>(from, 0);
      Window(x, a, p, q).each<side>(x, a, [=](int64_t pixel, int32_t place) SPINEGRAD_LAMBDA {
        lanesAt<block>(to, pixel) += winner == place ? gradient : Lanes<block>{};
      });
    }
  }
}

/// Whether windows have the sides of ResNet's.
bool threeByThree(const MaxPool2dAttributes& a) { return a.kernelH == 3 && a.kernelW == 3; }

template <int64_t side>
SPINEGRAD_INLINE void poolBy(const Planes& x, const Planes& y, const MaxPool2dAttributes& a, const float* from,
                             float* to, uint8_t* won) {
  x.block == 16 ? poolPlane<16, side>(x, y, a, from, to, won) : poolPlane<8, side>(x, y, a, from, to, won);
}

SPINEGRAD_SIMD void pool(const Planes& x, const Planes& y, const MaxPool2dAttributes& a, bool three, const float* from,
                         float* to, uint8_t* won) {
  three ? poolBy<3>(x, y, a, from, to, won) : poolBy<0>(x, y, a, from, to, won);
}

template <int64_t side>
SPINEGRAD_INLINE void poolGradientBy(const Planes& x, const Planes& y, const MaxPool2dAttributes& a, const float* from,
                                     const uint8_t* won, float* to) {
  x.block == 16 ? poolGradientPlane<16, side>(x, y, a, from, won, to)
                : poolGradientPlane<8, side>(x, y, a, from, won, to);
}

SPINEGRAD_SIMD void poolGradient(const Planes& x, const Planes& y, const MaxPool2dAttributes& a, bool three,
                                 const float* from, const uint8_t* won, float* to) {
  three ? poolGradientBy<3>(x, y, a, from, won, to) : poolGradientBy<0>(x, y, a, from, won, to);
}

/// Bytes of the winners: as many as y has values in its blocks, padding included.
size_t winnerBytes(const Planes& y) { return static_cast<size_t>(y.images * y.groups * y.size()); }

void forward(const MaxPool2dForward& op) {
  const Planes x(op.x.shape), y(op.y.shape);
  const MaxPool2dAttributes attributes(op);
  const bool three = threeByThree(attributes);
  const float* source = read(op.x, channelBlocked(op.x.shape));
  float* target = write(op.y, channelBlocked(op.y.shape));
  uint8_t* winner = writePadded(op.winner, winnerBytes(y));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t image = 0; image < x.images; ++image) {
    for (int64_t group = 0; group < x.groups; ++group) {
      pool(x, y, attributes, three, source + x.offset(image, group), target + y.offset(image, group),
           winner + y.offset(image, group));
    }
  }
}

void backward(const MaxPool2dBackward& op) {
  const Planes x(op.dx.shape), y(op.dy.shape);
  const MaxPool2dAttributes attributes(op);
  const bool three = threeByThree(attributes);
  const float* dy = read(op.dy, channelBlocked(op.dy.shape));
  const uint8_t* winner = read<uint8_t>(op.winner);
  float* dx = write(op.dx, channelBlocked(op.dx.shape));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t image = 0; image < x.images; ++image) {
    for (int64_t group = 0; group < x.groups; ++group) {
      float* to = dx + x.offset(image, group);
      std::fill_n(to, x.size(), 0.0f);
      poolGradient(x, y, attributes, three, dy + y.offset(image, group), winner + y.offset(image, group), to);
    }
  }
}

const Register<forward> registerForward("maxPool2d.forward");
const Register<backward> registerBackward("maxPool2d.backward");

}  // namespace
}  // namespace spinegrad::cpu
