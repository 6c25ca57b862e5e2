// softmax over the rows of x [N, C]: a warp a row, lanes across the classes. Rows are short (three grades), so the
// kernel is bound by its launch; for long rows it reads x twice and writes y twice.
#include "kernels/lib/reduce.cuh"

SPINEGRAD_KERNEL(softmax_forward, 256, (const float* x, float* y, int64_t rows, int64_t classes)) {
  for (int64_t n = globalThread() / 32; n < rows; n += allThreads() / 32) {
    const float* from = x + n * classes;
    float* to = y + n * classes;
    float most = -INFINITY;
    for (int64_t c = laneId(); c < classes; c += 32) most = fmaxf(most, from[c]);
    most = warpMax(most);
    float total = 0;
    for (int64_t c = laneId(); c < classes; c += 32) total += to[c] = expf(from[c] - most);
    total = warpSum(total);
    for (int64_t c = laneId(); c < classes; c += 32) to[c] /= total;
  }
}

SPINEGRAD_KERNEL(softmax_backward, 256, (const float* y, const float* dy, float* dx, int64_t rows, int64_t classes)) {
  for (int64_t n = globalThread() / 32; n < rows; n += allThreads() / 32) {
    const float *value = y + n * classes, *gradient = dy + n * classes;
    float dot = 0;
    for (int64_t c = laneId(); c < classes; c += 32) dot += gradient[c] * value[c];
    dot = warpSum(dot);
    for (int64_t c = laneId(); c < classes; c += 32) dx[n * classes + c] = value[c] * (gradient[c] - dot);
  }
}
