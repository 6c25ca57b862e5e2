// softArgmax2d: the mean pixel (x, y) of each heatmap under p = softmax(heat / temperature) over its pixels; heatmaps
// [maps, height, width], row-major. Kept for backward: the largest value and the sum of exponentials of each map.
// Backward: dh = p / temperature * ((column - x) dx + (row - y) dy).
//
// Forward: a block a map, whose values it reads twice, the second time from the cache; the three sums are in double,
// a thread's pixels first and then the block's threads, always in the same order. Backward is elementwise, 8 bytes a
// value. Heatmaps are small (16 KB for 64 x 64) beside the maps that they are made of.
#include "kernels/lib/reduce.cuh"

SPINEGRAD_KERNEL(softArgmax2d_forward, 256,
                 (const float* __restrict__ heat, int64_t maps, int32_t pixels, int32_t width, float scale,
                  float* __restrict__ y, float* __restrict__ statistics)) {
  for (int64_t map = blockIdx.x; map < maps; map += gridDim.x) {
    const float* from = heat + map * pixels;
    float most = from[0];
    for (int32_t pixel = threadIdx.x; pixel < pixels; pixel += blockDim.x)
      most = from[pixel] > most ? from[pixel] : most;
    most = blockReduce(most, from[0], Max());
    double weight = 0, column = 0, row = 0;
    for (int32_t pixel = threadIdx.x; pixel < pixels; pixel += blockDim.x) {
      const double e = expf((from[pixel] - most) * scale);
      const int32_t line = pixel / width;
      weight += e;
      column += e * (pixel - line * width);
      row += e * line;
    }
    weight = blockSum(weight);
    column = blockSum(column);
    row = blockSum(row);
    if (threadIdx.x == 0) {
      y[2 * map] = static_cast<float>(column) / static_cast<float>(weight);
      y[2 * map + 1] = static_cast<float>(row) / static_cast<float>(weight);
      statistics[2 * map] = most;
      statistics[2 * map + 1] = static_cast<float>(weight);
    }
  }
}

/// grid: pixels, maps.
SPINEGRAD_KERNEL(softArgmax2d_backward, 256,
                 (const float* __restrict__ heat, const float* __restrict__ y, const float* __restrict__ statistics,
                  const float* __restrict__ dy, int64_t maps, int32_t pixels, int32_t width, float scale,
                  float* __restrict__ dh)) {
  for (int64_t map = blockIdx.y; map < maps; map += gridDim.y) {
    const float most = statistics[2 * map], factor = scale / statistics[2 * map + 1];
    const float x = y[2 * map], slopeX = dy[2 * map] * factor;
    const float line = y[2 * map + 1], slopeY = dy[2 * map + 1] * factor;
    for (int64_t pixel = globalThread(); pixel < pixels; pixel += allThreads()) {
      const auto row = static_cast<int32_t>(pixel) / width, column = static_cast<int32_t>(pixel) - row * width;
      const float slope = (static_cast<float>(column) - x) * slopeX + (static_cast<float>(row) - line) * slopeY;
      dh[map * pixels + pixel] = expf((heat[map * pixels + pixel] - most) * scale) * slope;
    }
  }
}
