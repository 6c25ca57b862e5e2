// logSoftmax: y = (x - max) - log(sum(exp(x - max))) over the last axis of x [N, C]. Backward needs only y:
// dx = dy - exp(y) * sum(dy).

#include "native/cpu/device.h"
#include "native/cpu/math.h"
#include "native/cpu/memory.h"
#include "native/cpu/simd.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void logSoftmaxRow(const float* x, float* y, int64_t classes) {
  float most = x[0];
#pragma omp simd reduction(max : most)
  for (int64_t c = 0; c < classes; ++c) most = x[c] > most ? x[c] : most;
  float total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t c = 0; c < classes; ++c) {
    y[c] = x[c] - most;
    total += exponential(y[c]);
  }
  const float logTotal = logarithm(total);
  for (int64_t c = 0; c < classes; ++c) y[c] -= logTotal;
}

SPINEGRAD_SIMD void logSoftmaxGradientRow(const float* y, const float* dy, float* dx, int64_t classes) {
  float total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t c = 0; c < classes; ++c) total += dy[c];
  for (int64_t c = 0; c < classes; ++c) dx[c] = dy[c] - exponential(y[c]) * total;
}

void forward(const Call& call) {
  const int64_t rows = call.in(0).shape[0], classes = call.in(0).shape[1];
  const float* x = read<float>(call.in(0));
  float* y = write<float>(call.out(0));
#pragma omp parallel for schedule(static)
  for (int64_t n = 0; n < rows; ++n) logSoftmaxRow(x + n * classes, y + n * classes, classes);
}

void backward(const Call& call) {
  const int64_t rows = call.in(0).shape[0], classes = call.in(0).shape[1];
  const float* y = read<float>(call.in(0));
  const float* dy = read<float>(call.in(1));
  float* dx = write<float>(call.out(0));
#pragma omp parallel for schedule(static)
  for (int64_t n = 0; n < rows; ++n) {
    logSoftmaxGradientRow(y + n * classes, dy + n * classes, dx + n * classes, classes);
  }
}

const Register registerForward("logSoftmax.forward", forward);
const Register registerBackward("logSoftmax.backward", backward);

}  // namespace
}  // namespace spinegrad::cpu
