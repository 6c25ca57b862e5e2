// softmax: y = exp(x - max) / sum(exp(x - max)) over the last axis of x [N, C]. Backward reads y only:
// dx = y * (dy - sum(dy * y)).

#include "native/cpu/ops/rows.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/math.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void softmaxRows(const float* x, float* y, int64_t rows, int64_t classes) {
  for (int64_t n = 0; n < rows; ++n) {
    const float *from = x + n * classes, max = rowMax(from, classes);
    for (int64_t c = 0; c < classes; ++c) y[n * classes + c] = from[c] - max;
  }
  for (int64_t i = 0; i < rows * classes; ++i) y[i] = exponential(y[i]);
  for (int64_t n = 0; n < rows; ++n) {
    float* row = y + n * classes;
    const float total = rowSum(row, classes);
    for (int64_t c = 0; c < classes; ++c) row[c] /= total;
  }
}

SPINEGRAD_SIMD void softmaxGradientRows(const float* y, const float* dy, float* dx, int64_t rows, int64_t classes) {
  for (int64_t n = 0; n < rows; ++n, y += classes, dy += classes, dx += classes) {
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t c = 0; c < classes; ++c) dot += dy[c] * y[c];
    for (int64_t c = 0; c < classes; ++c) dx[c] = y[c] * (dy[c] - dot);
  }
}

void forward(const Forward& op) {
  const int64_t rows = op.x.shape[0], classes = op.x.shape[1];
  const float* x = read<float>(op.x);
  float* y = write<float>(op.y);
  parallelRows(rows, classes, [=](int64_t first, int64_t count) {
    softmaxRows(x + first * classes, y + first * classes, count, classes);
  });
}

void backward(const BackwardFromOutput& op) {
  const int64_t rows = op.y.shape[0], classes = op.y.shape[1];
  const float* y = read<float>(op.y);
  const float* dy = read<float>(op.dy);
  float* dx = write<float>(op.dx);
  parallelRows(rows, classes, [=](int64_t first, int64_t count) {
    softmaxGradientRows(y + first * classes, dy + first * classes, dx + first * classes, count, classes);
  });
}

const Register<forward> registerForward("softmax.forward");
const Register<backward> registerBackward("softmax.backward");

}  // namespace
}  // namespace spinegrad::cpu
