// l2Normalize: y = x / r with r = max(|x|, eps) for each row of x [rows, columns]. Backward uses the r of forward:
// dx = (dy - y (y . dy)) / r, or dy / eps for a row shorter than eps, whose divisor is constant. Squares are added in
// double, so no row overflows or underflows.
//
// A warp takes a row with lanes across the columns: it reads whole lines and needs no shared memory for the sum. A row
// of 128 values is 0.5 KB in and out; at 512 rows the launch is the cost.
#include "kernels/lib/reduce.cuh"

namespace {

/// Calls visit(row) for each row of this warp.
template <class Visit>
__device__ __forceinline__ void eachRow(int64_t rows, Visit visit) {
  const int64_t warps = gridThreads() / 32;
  for (int64_t row = globalThread() / 32; row < rows; row += warps) visit(row);
}

}  // namespace

SPINEGRAD_KERNEL(l2Normalize_forward, 128,
                 (const float* __restrict__ x, int64_t rows, int64_t columns, float eps, float* __restrict__ y,
                  float* __restrict__ divisors)) {
  eachRow(rows, [&](int64_t row) {
    const float* from = x + row * columns;
    double squares = 0;
    for (int64_t c = laneId(); c < columns; c += 32) squares += static_cast<double>(from[c]) * from[c];
    const auto norm = static_cast<float>(sqrt(warpSum(squares)));
    const float divisor = norm < eps ? eps : norm;
    if (laneId() == 0) divisors[row] = divisor;
    for (int64_t c = laneId(); c < columns; c += 32) y[row * columns + c] = from[c] / divisor;
  });
}

SPINEGRAD_KERNEL(l2Normalize_backward, 128,
                 (const float* __restrict__ y, const float* __restrict__ divisors, const float* __restrict__ dy,
                  int64_t rows, int64_t columns, float eps, float* __restrict__ dx)) {
  eachRow(rows, [&](int64_t row) {
    const int64_t first = row * columns;
    const float divisor = divisors[row];
    float dot = 0;
    for (int64_t c = laneId(); c < columns; c += 32) dot += y[first + c] * dy[first + c];
    dot = divisor == eps ? 0.0f : warpSum(dot);
    for (int64_t c = laneId(); c < columns; c += 32) dx[first + c] = (dy[first + c] - y[first + c] * dot) / divisor;
  });
}
