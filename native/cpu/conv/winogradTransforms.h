// One-dimensional transforms of Winograd's F(m, 3): m outputs of a 3-tap filter from n = m + 2 multiplications. Rows of
// the matrices belong to interpolation points p, the last row to the point at infinity:
//   A'  (m x n)  powers p^i
//   G   (n x 3)  powers p^k over the product of p - q over the other finite points q
//   B'  (n x n)  coefficients of the product of x - q over the other finite points q
// The points are small and have few bits, which keeps rounding errors low. A transform reads vectors `fromStep` apart
// and writes vectors `toStep` apart.
//
// Stride 2: the 3-tap filter is split into taps 0 and 2 on every second pixel and tap 1 on the pixels between. The
// first part is an F(3, 2), the second takes 3 plain products: 7 multiplications instead of 9. The 3 products use the
// same filter value, so there are 5 transformed filter values.
#pragma once

#include <cstdint>

#include "native/cpu/runtime/math.h"

namespace spinegrad::cpu {
namespace {

/// Points 0, a, -a, b, -b, infinity.
template <class Vector>
struct F4x3 {
  static constexpr int pixels = 6, step = 4, points = 6, filters = 6, outputs = 4;
  static constexpr float a = 0.5f, b = 1.5f, aa = a * a, bb = b * b;

  /// B' d.
  static SPINEGRAD_INLINE void input(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    const Vector d0 = from[0], d1 = from[fromStep], d2 = from[2 * fromStep], d3 = from[3 * fromStep],
                 d4 = from[4 * fromStep], d5 = from[5 * fromStep];
    const Vector evenA = d4 - bb * d2, oddA = a * (d3 - bb * d1);
    const Vector evenB = d4 - aa * d2, oddB = b * (d3 - aa * d1);
    to[0] = d4 - (aa + bb) * d2 + aa * bb * d0;
    to[toStep] = evenA + oddA;
    to[2 * toStep] = evenA - oddA;
    to[3 * toStep] = evenB + oddB;
    to[4 * toStep] = evenB - oddB;
    to[5 * toStep] = d5 - (aa + bb) * d3 + aa * bb * d1;
  }

  /// G g.
  static SPINEGRAD_INLINE void filter(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    constexpr float fa = 1 / (2 * aa * (aa - bb)), fb = 1 / (2 * bb * (bb - aa));
    const Vector g0 = from[0], g1 = from[fromStep], g2 = from[2 * fromStep];
    const Vector evenA = fa * g0 + fa * aa * g2, oddA = fa * a * g1;
    const Vector evenB = fb * g0 + fb * bb * g2, oddB = fb * b * g1;
    to[0] = 1 / (aa * bb) * g0;
    to[toStep] = evenA + oddA;
    to[2 * toStep] = evenA - oddA;
    to[3 * toStep] = evenB + oddB;
    to[4 * toStep] = evenB - oddB;
    to[5 * toStep] = g2;
  }

  /// G' m.
  static SPINEGRAD_INLINE void filterTransposed(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    constexpr float fa = 1 / (2 * aa * (aa - bb)), fb = 1 / (2 * bb * (bb - aa));
    const Vector sumA = from[fromStep] + from[2 * fromStep], differenceA = from[fromStep] - from[2 * fromStep];
    const Vector sumB = from[3 * fromStep] + from[4 * fromStep], differenceB = from[3 * fromStep] - from[4 * fromStep];
    to[0] = 1 / (aa * bb) * from[0] + fa * sumA + fb * sumB;
    to[toStep] = fa * a * differenceA + fb * b * differenceB;
    to[2 * toStep] = fa * aa * sumA + fb * bb * sumB + from[5 * fromStep];
  }

  /// A' m.
  static SPINEGRAD_INLINE void output(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    const Vector sumA = from[fromStep] + from[2 * fromStep], differenceA = from[fromStep] - from[2 * fromStep];
    const Vector sumB = from[3 * fromStep] + from[4 * fromStep], differenceB = from[3 * fromStep] - from[4 * fromStep];
    to[0] = from[0] + sumA + sumB;
    to[toStep] = a * differenceA + b * differenceB;
    to[2 * toStep] = aa * sumA + bb * sumB;
    to[3 * toStep] = a * aa * differenceA + b * bb * differenceB + from[5 * fromStep];
  }

  /// A dy.
  static SPINEGRAD_INLINE void outputTransposed(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    const Vector d0 = from[0], d1 = from[fromStep], d2 = from[2 * fromStep], d3 = from[3 * fromStep];
    const Vector evenA = d0 + aa * d2, oddA = a * d1 + a * aa * d3;
    const Vector evenB = d0 + bb * d2, oddB = b * d1 + b * bb * d3;
    to[0] = d0;
    to[toStep] = evenA + oddA;
    to[2 * toStep] = evenA - oddA;
    to[3 * toStep] = evenB + oddB;
    to[4 * toStep] = evenB - oddB;
    to[5 * toStep] = d3;
  }
};

/// Points 0, 1, -1, c, infinity.
template <class Vector>
struct F3x3 {
  static constexpr int pixels = 5, step = 3, points = 5, filters = 5, outputs = 3;
  static constexpr float c = 2.0f;

  static SPINEGRAD_INLINE void input(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    const Vector d0 = from[0], d1 = from[fromStep], d2 = from[2 * fromStep], d3 = from[3 * fromStep],
                 d4 = from[4 * fromStep];
    const Vector inner = d3 - c * d2, outer = d2 - c * d1;
    to[0] = inner - (d1 - c * d0);
    to[toStep] = inner + outer;
    to[2 * toStep] = inner - outer;
    to[3 * toStep] = d3 - d1;
    to[4 * toStep] = d4 - c * d3 - outer;
  }

  static SPINEGRAD_INLINE void filter(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    constexpr float f1 = 1 / (2 * (1 - c)), f2 = -1 / (2 * (1 + c)), fc = 1 / (c * (c * c - 1));
    const Vector g0 = from[0], g1 = from[fromStep], g2 = from[2 * fromStep];
    const Vector even = g0 + g2;
    to[0] = 1 / c * g0;
    to[toStep] = f1 * (even + g1);
    to[2 * toStep] = f2 * (even - g1);
    to[3 * toStep] = fc * g0 + fc * c * g1 + fc * c * c * g2;
    to[4 * toStep] = g2;
  }

  static SPINEGRAD_INLINE void filterTransposed(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    constexpr float f1 = 1 / (2 * (1 - c)), f2 = -1 / (2 * (1 + c)), fc = 1 / (c * (c * c - 1));
    const Vector one = f1 * from[fromStep], minusOne = f2 * from[2 * fromStep], m = fc * from[3 * fromStep];
    to[0] = 1 / c * from[0] + one + minusOne + m;
    to[toStep] = one - minusOne + c * m;
    to[2 * toStep] = one + minusOne + c * c * m + from[4 * fromStep];
  }

  static SPINEGRAD_INLINE void output(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    const Vector sum = from[fromStep] + from[2 * fromStep], difference = from[fromStep] - from[2 * fromStep];
    const Vector m = from[3 * fromStep];
    to[0] = from[0] + sum + m;
    to[toStep] = difference + c * m;
    to[2 * toStep] = sum + c * c * m + from[4 * fromStep];
  }

  static SPINEGRAD_INLINE void outputTransposed(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    const Vector d0 = from[0], d1 = from[fromStep], d2 = from[2 * fromStep];
    const Vector even = d0 + d2;
    to[0] = d0;
    to[toStep] = even + d1;
    to[2 * toStep] = even - d1;
    to[3 * toStep] = d0 + c * d1 + c * c * d2;
    to[4 * toStep] = d2;
  }
};

/// Stride 2: points 0, 1, -1 and infinity for taps 0 and 2, then three products with tap 1.
template <class Vector>
struct F3x3Strided {
  static constexpr int pixels = 7, step = 6, points = 7, filters = 5, outputs = 3;

  static SPINEGRAD_INLINE void input(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    const Vector d0 = from[0], d2 = from[2 * fromStep], d4 = from[4 * fromStep], d6 = from[6 * fromStep];
    to[0] = d4 - d0;
    to[toStep] = d4 + d2;
    to[2 * toStep] = d4 - d2;
    to[3 * toStep] = d6 - d2;
    for (int64_t i = 0; i < 3; ++i) to[(4 + i) * toStep] = from[(1 + 2 * i) * fromStep];
  }

  static SPINEGRAD_INLINE void filter(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    const Vector half0 = 0.5f * from[0], half2 = 0.5f * from[2 * fromStep];
    to[0] = -from[0];
    to[toStep] = half0 + half2;
    to[2 * toStep] = half0 - half2;
    to[3 * toStep] = from[2 * fromStep];
    to[4 * toStep] = from[fromStep];
  }

  static SPINEGRAD_INLINE void filterTransposed(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    const Vector half1 = 0.5f * from[fromStep], half2 = 0.5f * from[2 * fromStep];
    to[0] = half1 + half2 - from[0];
    to[toStep] = from[4 * fromStep];
    to[2 * toStep] = half1 - half2 + from[3 * fromStep];
  }

  static SPINEGRAD_INLINE void output(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    const Vector m1 = from[fromStep], m2 = from[2 * fromStep];
    to[0] = from[0] + m1 + m2 + from[4 * fromStep];
    to[toStep] = m1 - m2 + from[5 * fromStep];
    to[2 * toStep] = m1 + m2 + from[3 * fromStep] + from[6 * fromStep];
  }

  static SPINEGRAD_INLINE void outputTransposed(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    const Vector d0 = from[0], d1 = from[fromStep], d2 = from[2 * fromStep];
    const Vector even = d0 + d2;
    to[0] = d0;
    to[toStep] = even + d1;
    to[2 * toStep] = even - d1;
    to[3 * toStep] = d2;
    to[4 * toStep] = d0;
    to[5 * toStep] = d1;
    to[6 * toStep] = d2;
  }
};

/// dgrad at stride 2: pixels 1, 3 and 5 of dx use taps 0 and 2, pixels 0, 2 and 4 use tap 1.
template <class Vector>
struct F3x3StridedDgrad {
  static constexpr int pixels = 4, step = 3, points = 7, filters = 5, outputs = 6;

  static SPINEGRAD_INLINE void input(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    const Vector d0 = from[0], d1 = from[fromStep], d2 = from[2 * fromStep], d3 = from[3 * fromStep];
    to[0] = d2 - d0;
    to[toStep] = d2 + d1;
    to[2 * toStep] = d2 - d1;
    to[3 * toStep] = d3 - d1;
    to[4 * toStep] = d0;
    to[5 * toStep] = d1;
    to[6 * toStep] = d2;
  }

  static constexpr auto filter = F3x3Strided<Vector>::filter;

  static SPINEGRAD_INLINE void output(const Vector* from, int64_t fromStep, Vector* to, int64_t toStep) {
    const Vector m1 = from[fromStep], m2 = from[2 * fromStep];
    to[toStep] = from[0] + m1 + m2;
    to[3 * toStep] = m1 - m2;
    to[5 * toStep] = m1 + m2 + from[3 * fromStep];
    for (int64_t i = 0; i < 3; ++i) to[2 * i * toStep] = from[(4 + i) * fromStep];
  }
};

/// A square of vectors in memory.
template <class Vector>
struct Grid {
  Vector* first;
  int64_t rowStep, columnStep;
};

/// Transforms an `in` x `in` grid along its columns, then along its rows, into an `out` x `out` grid. The loops are not
/// unrolled because the registers do not hold a whole grid.
template <int in, int out, class Vector>
SPINEGRAD_INLINE void transformGrid(void (*transform)(const Vector*, int64_t, Vector*, int64_t),
                                    Grid<const Vector> from, Grid<Vector> to) {
  Vector columns[out * in];
#pragma GCC unroll 1
  for (int column = 0; column < in; ++column) {
    transform(from.first + column * from.columnStep, from.rowStep, columns + column, in);
  }
#pragma GCC unroll 1
  for (int row = 0; row < out; ++row) transform(columns + row * in, 1, to.first + row * to.rowStep, to.columnStep);
}

}  // namespace
}  // namespace spinegrad::cpu
