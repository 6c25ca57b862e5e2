// logSoftmax over the rows of x [N, C], one warp per row with lanes across the classes; see softmax.cu.
#include "kernels/lib/reduce.cuh"

SPINEGRAD_KERNEL(logSoftmax_forward, 256, (const float* x, float* y, int64_t rows, int64_t classes)) {
  for (int64_t n = globalThread() / 32; n < rows; n += gridThreads() / 32) {
    const float* from = x + n * classes;
    float rowMax = -INFINITY;
    for (int64_t c = laneId(); c < classes; c += 32) rowMax = fmaxf(rowMax, from[c]);
    rowMax = warpMax(rowMax);
    float sumExp = 0;
    for (int64_t c = laneId(); c < classes; c += 32) sumExp += expf(from[c] - rowMax);
    const float logSumExp = logf(warpSum(sumExp));
    for (int64_t c = laneId(); c < classes; c += 32) y[n * classes + c] = (from[c] - rowMax) - logSumExp;
  }
}

SPINEGRAD_KERNEL(logSoftmax_backward, 256,
                 (const float* y, const float* dy, float* dx, int64_t rows, int64_t classes)) {
  for (int64_t n = globalThread() / 32; n < rows; n += gridThreads() / 32) {
    const float *value = y + n * classes, *gradient = dy + n * classes;
    float sum = 0;
    for (int64_t c = laneId(); c < classes; c += 32) sum += gradient[c];
    sum = warpSum(sum);
    for (int64_t c = laneId(); c < classes; c += 32) dx[n * classes + c] = gradient[c] - expf(value[c]) * sum;
  }
}
