// softArgmax2d: the expected pixel (x, y) of each heatmap under p = softmax(heatmap / temperature), from x [N, K, H, W]
// to y [N, K, 2], column first. Forward stores the maximum and the sum of exponentials of each heatmap. Backward:
//   dh = p / temperature * ((column - x) dx + (row - y) dy)

#include "native/cpu/ops/rows.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/math.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD float heatmapMax(const float* x, int64_t count) { return rowMax(x, count); }

struct RowMoments {
  float weight, column;
};

SPINEGRAD_SIMD RowMoments momentsOfRow(const float* heat, float max, float scale, int64_t columns) {
  float weight = 0, moment = 0;
#pragma omp simd reduction(+ : weight, moment)
  for (int32_t w = 0; w < static_cast<int32_t>(columns); ++w) {
    const float e = exponential((heat[w] - max) * scale);
    weight += e;
    moment += e * static_cast<float>(w);
  }
  return {weight, moment};
}

/// dh[w] = exp((heat[w] - max) * scale) * (constant + w * slope).
SPINEGRAD_SIMD void gradientRow(const float* heat, float max, float scale, float centre, float slope, float constant,
                                float* dh, int64_t columns) {
  for (int32_t w = 0; w < static_cast<int32_t>(columns); ++w) {
    dh[w] = exponential((heat[w] - max) * scale) * ((static_cast<float>(w) - centre) * slope + constant);
  }
}

void forward(const SoftArgmax2dForward& op) {
  const Shape& shape = op.heatmaps.shape;
  const int64_t maps = shape[0] * shape[1], height = shape[2], width = shape[3];
  const auto scale = static_cast<float>(1 / op.temperature);
  const float* heat = read<float>(op.heatmaps);
  float* y = write<float>(op.y);
  float* statistics = write<float>(op.statistics);
#pragma omp parallel for schedule(static)
  for (int64_t map = 0; map < maps; ++map) {
    const float* rows = heat + map * height * width;
    const float max = heatmapMax(rows, height * width);
    double weight = 0, column = 0, row = 0;
    for (int64_t h = 0; h < height; ++h) {
      const RowMoments moments = momentsOfRow(rows + h * width, max, scale, width);
      weight += moments.weight;
      column += moments.column;
      row += static_cast<double>(h) * moments.weight;
    }
    y[2 * map] = static_cast<float>(column / weight);
    y[2 * map + 1] = static_cast<float>(row / weight);
    statistics[2 * map] = max;
    statistics[2 * map + 1] = static_cast<float>(weight);
  }
}

void backward(const SoftArgmax2dBackward& op) {
  const Shape& shape = op.heatmaps.shape;
  const int64_t maps = shape[0] * shape[1], height = shape[2], width = shape[3];
  const auto scale = static_cast<float>(1 / op.temperature);
  const float* heat = read<float>(op.heatmaps);
  const float* y = read<float>(op.y);
  const float* statistics = read<float>(op.statistics);
  const float* dy = read<float>(op.dy);
  float* dh = write<float>(op.dx);
#pragma omp parallel for schedule(static)
  for (int64_t map = 0; map < maps; ++map) {
    const float factor = scale / statistics[2 * map + 1];
    for (int64_t h = 0; h < height; ++h) {
      const int64_t first = (map * height + h) * width;
      const float constant = (static_cast<float>(h) - y[2 * map + 1]) * dy[2 * map + 1] * factor;
      gradientRow(heat + first, statistics[2 * map], scale, y[2 * map], dy[2 * map] * factor, constant, dh + first,
                  width);
    }
  }
}

const Register<forward> registerForward("softArgmax2d.forward");
const Register<backward> registerBackward("softArgmax2d.backward");

}  // namespace
}  // namespace spinegrad::cpu
