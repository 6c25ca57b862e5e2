// logSoftmax: y = (x - max) - log(sum(exp(x - max))) over the last axis of x [N, C]. Backward reads y only:
// dx = dy - exp(y) * sum(dy).

#include <omp.h>

#include "native/cpu/ops/rows.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/math.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

/// `exponentials` is a workspace of the size of x.
SPINEGRAD_SIMD void logSoftmaxRows(const float* x, float* y, float* exponentials, int64_t rows, int64_t classes) {
  for (int64_t n = 0; n < rows; ++n) {
    const float *from = x + n * classes, max = rowMax(from, classes);
    for (int64_t c = 0; c < classes; ++c) y[n * classes + c] = from[c] - max;
  }
  for (int64_t i = 0; i < rows * classes; ++i) exponentials[i] = exponential(y[i]);
  // The sums overwrite the exponentials of earlier rows.
  for (int64_t n = 0; n < rows; ++n) exponentials[n] = rowSum(exponentials + n * classes, classes);
  for (int64_t n = 0; n < rows; ++n) exponentials[n] = logarithm(exponentials[n]);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t c = 0; c < classes; ++c) y[n * classes + c] -= exponentials[n];
  }
}

SPINEGRAD_SIMD void logSoftmaxGradientRows(const float* y, const float* dy, float* dx, int64_t rows, int64_t classes) {
  for (int64_t i = 0; i < rows * classes; ++i) dx[i] = exponential(y[i]);
  for (int64_t n = 0; n < rows; ++n, dy += classes, dx += classes) {
    const float total = rowSum(dy, classes);
    for (int64_t c = 0; c < classes; ++c) dx[c] = dy[c] - dx[c] * total;
  }
}

void forward(const Forward& op) {
  const int64_t rows = op.x.shape[0], classes = op.x.shape[1];
  const float* x = read<float>(op.x);
  float* y = write<float>(op.y);
  const auto perThread = static_cast<size_t>(rowsTogether(classes) * classes);
  const Workspace<float> exponentials(perThread * static_cast<size_t>(omp_get_max_threads()));
  parallelRows(rows, classes, [&](int64_t first, int64_t count) {
    logSoftmaxRows(x + first * classes, y + first * classes,
                   exponentials.data() + perThread * static_cast<size_t>(omp_get_thread_num()), count, classes);
  });
}

void backward(const BackwardFromOutput& op) {
  const int64_t rows = op.y.shape[0], classes = op.y.shape[1];
  const float* y = read<float>(op.y);
  const float* dy = read<float>(op.dy);
  float* dx = write<float>(op.dx);
  parallelRows(rows, classes, [=](int64_t first, int64_t count) {
    logSoftmaxGradientRows(y + first * classes, dy + first * classes, dx + first * classes, count, classes);
  });
}

const Register<forward> registerForward("logSoftmax.forward");
const Register<backward> registerBackward("logSoftmax.backward");

}  // namespace
}  // namespace spinegrad::cpu
