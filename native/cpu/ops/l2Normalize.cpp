// l2Normalize: y = x / max(|x|, eps) for each row of x [N, C]. With r = max(|x|, eps) from forward, backward is
// dx = (dy - y (y . dy)) / r, and dy / eps if |x| <= eps, because the divisor is then constant. Squares are summed in
// double, so no row overflows or underflows.

#include <cmath>

#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/reduce.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void divideRow(const float* x, float divisor, float* y, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c) y[c] = x[c] / divisor;
}

SPINEGRAD_SIMD void gradientRow(const float* y, const float* dy, float divisor, float* dx, int64_t columns) {
  float dot = 0;
#pragma omp simd reduction(+ : dot)
  for (int64_t c = 0; c < columns; ++c) dot += y[c] * dy[c];
  for (int64_t c = 0; c < columns; ++c) dx[c] = (dy[c] - y[c] * dot) / divisor;
}

void forward(const L2NormalizeForward& op) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1];
  const auto eps = static_cast<float>(op.eps);
  const float* x = read<float>(op.x);
  float* y = write<float>(op.y);
  float* divisor = write<float>(op.divisor);
#pragma omp parallel for schedule(static)
  for (int64_t n = 0; n < rows; ++n) {
    const float* row = x + n * columns;
    const auto norm = static_cast<float>(std::sqrt(dotOf(row, row, columns)));
    divisor[n] = norm < eps ? eps : norm;
    divideRow(row, divisor[n], y + n * columns, columns);
  }
}

void backward(const L2NormalizeBackward& op) {
  const int64_t rows = op.y.shape[0], columns = op.y.shape[1];
  const auto eps = static_cast<float>(op.eps);
  const float* y = read<float>(op.y);
  const float* divisor = read<float>(op.divisor);
  const float* dy = read<float>(op.dy);
  float* dx = write<float>(op.dx);
#pragma omp parallel for schedule(static)
  for (int64_t n = 0; n < rows; ++n) {
    const int64_t first = n * columns;
    if (divisor[n] == eps) {
      divideRow(dy + first, eps, dx + first, columns);
    } else {
      gradientRow(y + first, dy + first, divisor[n], dx + first, columns);
    }
  }
}

const Register<forward> registerForward("l2Normalize.forward");
const Register<backward> registerBackward("l2Normalize.backward");

}  // namespace
}  // namespace spinegrad::cpu
