// logSoftmax over the rows of x [N, C]: a warp a row, lanes across the classes; see softmax.cu.
#include "kernels/lib/reduce.cuh"

SPINEGRAD_KERNEL(logSoftmax_forward, 256, (const float* x, float* y, int64_t rows, int64_t classes)) {
  for (int64_t n = globalThread() / 32; n < rows; n += allThreads() / 32) {
    const float* from = x + n * classes;
    float most = -INFINITY;
    for (int64_t c = laneId(); c < classes; c += 32) most = fmaxf(most, from[c]);
    most = warpMax(most);
    float total = 0;
    for (int64_t c = laneId(); c < classes; c += 32) total += expf(from[c] - most);
    const float logTotal = logf(warpSum(total));
    for (int64_t c = laneId(); c < classes; c += 32) y[n * classes + c] = (from[c] - most) - logTotal;
  }
}

SPINEGRAD_KERNEL(logSoftmax_backward, 256,
                 (const float* y, const float* dy, float* dx, int64_t rows, int64_t classes)) {
  for (int64_t n = globalThread() / 32; n < rows; n += allThreads() / 32) {
    const float *value = y + n * classes, *gradient = dy + n * classes;
    float total = 0;
    for (int64_t c = laneId(); c < classes; c += 32) total += gradient[c];
    total = warpSum(total);
    for (int64_t c = laneId(); c < classes; c += 32) dx[n * classes + c] = gradient[c] - expf(value[c]) * total;
  }
}
