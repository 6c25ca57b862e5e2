// softmax over the rows of x [N, C], one warp per row with lanes across the classes. Rows are short (three grades), so
// the launch is the cost; for long rows the kernel reads x twice and writes y twice.
#include "kernels/lib/reduce.cuh"

SPINEGRAD_KERNEL(softmax_forward, 256, (const float* x, float* y, int64_t rows, int64_t classes)) {
  for (int64_t n = globalThread() / 32; n < rows; n += gridThreads() / 32) {
    const float* from = x + n * classes;
    float* to = y + n * classes;
    float rowMax = -INFINITY;
    for (int64_t c = laneId(); c < classes; c += 32) rowMax = fmaxf(rowMax, from[c]);
    rowMax = warpMax(rowMax);
    float sumExp = 0;
    for (int64_t c = laneId(); c < classes; c += 32) sumExp += to[c] = expf(from[c] - rowMax);
    sumExp = warpSum(sumExp);
    for (int64_t c = laneId(); c < classes; c += 32) to[c] /= sumExp;
  }
}

SPINEGRAD_KERNEL(softmax_backward, 256, (const float* y, const float* dy, float* dx, int64_t rows, int64_t classes)) {
  for (int64_t n = globalThread() / 32; n < rows; n += gridThreads() / 32) {
    const float *value = y + n * classes, *gradient = dy + n * classes;
    float dot = 0;
    for (int64_t c = laneId(); c < classes; c += 32) dot += gradient[c] * value[c];
    dot = warpSum(dot);
    for (int64_t c = laneId(); c < classes; c += 32) dx[n * classes + c] = value[c] * (gradient[c] - dot);
  }
}
