// upsample2d of channel-blocked images by an integer scale: forward repeats each pixel, backward sums the repeated
// pixels in row-major order. A thread processes a plane.

#include <algorithm>

#include "native/cpu/ops/planes.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/lanes.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

/// One row of x to one row of y. `fixed` is the scale if it is known at compile time, else 0.
template <int64_t lanes, int64_t fixed>
SPINEGRAD_INLINE void repeatRow(const float* from, float* to, int64_t width, int64_t anyScale) {
  const int64_t scale = fixed > 0 ? fixed : anyScale;
  for (int64_t column = 0; column < width; ++column) {
    const Lanes<lanes> value = lanesAt<lanes>(from, column);
    for (int64_t i = 0; i < scale; ++i) lanesAt<lanes>(to, column * scale + i) = value;
  }
}

SPINEGRAD_SIMD void repeat(const float* from, float* to, int64_t width, int64_t lanes, int64_t scale) {
  if (lanes == 16) {
    scale == 2 ? repeatRow<16, 2>(from, to, width, 2) : repeatRow<16, 0>(from, to, width, scale);
  } else {
    scale == 2 ? repeatRow<8, 2>(from, to, width, 2) : repeatRow<8, 0>(from, to, width, scale);
  }
}

/// `scale` rows of dy to one row of dx.
template <int64_t lanes, int64_t fixed>
SPINEGRAD_INLINE void sumRows(const float* from, float* to, int64_t width, int64_t anyScale) {
  const int64_t scale = fixed > 0 ? fixed : anyScale;
  for (int64_t column = 0; column < width; ++column) {
    Lanes<lanes> sum{};
    for (int64_t row = 0; row < scale; ++row) {
      for (int64_t i = 0; i < scale; ++i) sum += lanesAt<lanes>(from, (row * width + column) * scale + i);
    }
    lanesAt<lanes>(to, column) = sum;
  }
}

SPINEGRAD_SIMD void sum(const float* from, float* to, int64_t width, int64_t lanes, int64_t scale) {
  if (lanes == 16) {
    scale == 2 ? sumRows<16, 2>(from, to, width, 2) : sumRows<16, 0>(from, to, width, scale);
  } else {
    scale == 2 ? sumRows<8, 2>(from, to, width, 2) : sumRows<8, 0>(from, to, width, scale);
  }
}

/// Calls visit(offset of a row of the small image, offset of the first of its `scale` rows in the large one).
template <class Visit>
void eachRow(const Planes& small, const Planes& large, int64_t scale, Visit visit) {
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t plane = 0; plane < small.images * small.blocks; ++plane) {
    for (int64_t row = 0; row < small.height; ++row) {
      visit(plane * small.size() + row * small.width * small.lanes,
            plane * large.size() + row * scale * large.width * large.lanes);
    }
  }
}

void forward(const Upsample2dForward& op) {
  const Planes small(op.x.shape), large(op.y.shape);
  const float* x = read(op.x, channelBlocked(op.x.shape));
  float* y = write(op.y, channelBlocked(op.y.shape));
  eachRow(small, large, op.scale, [&](int64_t from, int64_t to) {
    const int64_t rowSize = large.width * large.lanes;
    repeat(x + from, y + to, small.width, small.lanes, op.scale);
    for (int64_t row = 1; row < op.scale; ++row) std::copy_n(y + to, rowSize, y + to + row * rowSize);
  });
}

void backward(const Upsample2dBackward& op) {
  const Planes small(op.dx.shape), large(op.dy.shape);
  const float* dy = read(op.dy, channelBlocked(op.dy.shape));
  float* dx = write(op.dx, channelBlocked(op.dx.shape));
  eachRow(small, large, op.scale,
          [&](int64_t to, int64_t from) { sum(dy + from, dx + to, small.width, small.lanes, op.scale); });
}

const Register<forward> registerForward("upsample2d.forward");
const Register<backward> registerBackward("upsample2d.backward");

}  // namespace
}  // namespace spinegrad::cpu
