// concat along axis 0 or 1: copies a range of each row of `from` to a range of each row of `to`. Along
// axis 1 a row is the padded channels of one pixel, or all values of one sample; along axis 0 it is the whole tensor.
// Each input is one launch; the last one also writes the zeros of the padding.
//
// Bound by memory. If the rows, the ranges and the sizes are multiples of four, a thread copies 16 bytes.
#include "kernels/concat.h"
#include "kernels/lib/vector.cuh"

namespace {

/// Calls copy(offset in `from`, offset in `to`, whether `from` has the value) for every `width` values of the ranges.
template <class Copy>
__device__ __forceinline__ void eachValue(const ConcatRows& s, int32_t width, Copy copy) {
  const int64_t perRow = s.count / width;
  for (int64_t item = globalThread(); item < s.rows * perRow; item += gridThreads()) {
    const int64_t row = item / perRow, column = (item - row * perRow) * width;
    copy(row * s.fromSize + s.fromFirst + column, row * s.toSize + s.toFirst + column, column < s.values);
  }
}

}  // namespace

SPINEGRAD_KERNEL(concat_copy, 256, (const float* __restrict__ from, ConcatRows s, float* __restrict__ to)) {
  eachValue(s, 1, [&](int64_t source, int64_t target, bool present) { to[target] = present ? from[source] : 0.0f; });
}

SPINEGRAD_KERNEL(concat_copyFour, 256, (const float* __restrict__ from, ConcatRows s, float* __restrict__ to)) {
  eachValue(s, 4, [&](int64_t source, int64_t target, bool present) {
    store(to + target, present ? load<Float4>(from + source) : Float4{});
  });
}
