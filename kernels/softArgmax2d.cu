// softArgmax2d: the mean pixel (x, y) of each heatmap under p = softmax(heat / temperature); heatmaps are [maps,
// height, width], row-major. Forward keeps the maximum and the sum of exponentials of each map for backward, which
// computes dh = p / temperature * ((column - x) dx + (row - y) dy).
//
// Forward takes one block per map and reads it twice, the second time from the cache; the three sums are in double with
// a fixed order. Backward is elementwise, 8 bytes per value.
#include "kernels/lib/reduce.cuh"

SPINEGRAD_KERNEL(softArgmax2d_forward, 256,
                 (const float* __restrict__ heat, int64_t maps, int32_t pixels, int32_t width, float scale,
                  float* __restrict__ y, float* __restrict__ statistics)) {
  for (int64_t map = blockIdx.x; map < maps; map += gridDim.x) {
    const float* from = heat + map * pixels;
    float maximum = from[0];
    for (int32_t pixel = threadIdx.x; pixel < pixels; pixel += blockDim.x)
      maximum = from[pixel] > maximum ? from[pixel] : maximum;
    maximum = blockReduce(maximum, from[0], Max());
    double sumExp = 0, column = 0, row = 0;
    for (int32_t pixel = threadIdx.x; pixel < pixels; pixel += blockDim.x) {
      const double e = expf((from[pixel] - maximum) * scale);
      const int32_t line = pixel / width;
      sumExp += e;
      column += e * (pixel - line * width);
      row += e * line;
    }
    sumExp = blockSum(sumExp);
    column = blockSum(column);
    row = blockSum(row);
    if (threadIdx.x == 0) {
      y[2 * map] = static_cast<float>(column) / static_cast<float>(sumExp);
      y[2 * map + 1] = static_cast<float>(row) / static_cast<float>(sumExp);
      statistics[2 * map] = maximum;
      statistics[2 * map + 1] = static_cast<float>(sumExp);
    }
  }
}

/// grid: pixels, maps.
SPINEGRAD_KERNEL(softArgmax2d_backward, 256,
                 (const float* __restrict__ heat, const float* __restrict__ y, const float* __restrict__ statistics,
                  const float* __restrict__ dy, int64_t maps, int32_t pixels, int32_t width, float scale,
                  float* __restrict__ dh)) {
  for (int64_t map = blockIdx.y; map < maps; map += gridDim.y) {
    const float maximum = statistics[2 * map], factor = scale / statistics[2 * map + 1];
    const float x = y[2 * map], slopeX = dy[2 * map] * factor;
    const float line = y[2 * map + 1], slopeY = dy[2 * map + 1] * factor;
    for (int64_t pixel = globalThread(); pixel < pixels; pixel += gridThreads()) {
      const auto row = static_cast<int32_t>(pixel) / width, column = static_cast<int32_t>(pixel) - row * width;
      const float slope = (static_cast<float>(column) - x) * slopeX + (static_cast<float>(row) - line) * slopeY;
      dh[map * pixels + pixel] = expf((heat[map * pixels + pixel] - maximum) * scale) * slope;
    }
  }
}
