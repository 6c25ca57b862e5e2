// softmax: y = exp(x - max) / sum over the last axis of x [N, C]. Backward needs only y:
// dx = y * (dy - sum(dy * y)).

#include "native/cpu/ops/rows.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/math.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void softmaxRows(const float* x, float* y, int64_t rows, int64_t classes) {
  for (int64_t n = 0; n < rows; ++n) {
    const float *from = x + n * classes, most = largest(from, classes);
    for (int64_t c = 0; c < classes; ++c) y[n * classes + c] = from[c] - most;
  }
  for (int64_t i = 0; i < rows * classes; ++i) y[i] = exponential(y[i]);
  for (int64_t n = 0; n < rows; ++n) {
    float* row = y + n * classes;
    const float total = sumOf(row, classes);
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

void forward(const Call& call) {
  const int64_t rows = call.in(0).shape[0], classes = call.in(0).shape[1];
  const float* x = read<float>(call.in(0));
  float* y = write<float>(call.out(0));
  parallelRows(rows, classes, [=](int64_t first, int64_t count) {
    softmaxRows(x + first * classes, y + first * classes, count, classes);
  });
}

void backward(const Call& call) {
  const int64_t rows = call.in(0).shape[0], classes = call.in(0).shape[1];
  const float* y = read<float>(call.in(0));
  const float* dy = read<float>(call.in(1));
  float* dx = write<float>(call.out(0));
  parallelRows(rows, classes, [=](int64_t first, int64_t count) {
    softmaxGradientRows(y + first * classes, dy + first * classes, dx + first * classes, count, classes);
  });
}

const Register registerForward("softmax.forward", forward);
const Register registerBackward("softmax.backward", backward);

}  // namespace
}  // namespace spinegrad::cpu
