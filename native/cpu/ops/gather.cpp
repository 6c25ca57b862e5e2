// gather: rows of x [M, ...] by index. The gradient adds the rows of dy in the order of the indices. The threads divide
// the columns among themselves, so the order of every sum is fixed.

#include <cstring>
#include <string>

#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void accumulateRow(const float* x, float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] += x[i];
}

void forward(const GatherForward& op) {
  const int64_t rows = op.x.shape[0], picked = op.indices.elements();
  const auto row = static_cast<size_t>(op.x.elements() / rows);
  const float* x = read<float>(op.x);
  const int32_t* indices = read<int32_t>(op.indices);
  for (int64_t n = 0; n < picked; ++n) {
    if (indices[n] < 0 || indices[n] >= rows) {
      throw Error("ERR_INDEX", "gather(): indices: expected rows from 0 to " + std::to_string(rows - 1) + ", found " +
                                   std::to_string(indices[n]) + " at position " + std::to_string(n));
    }
  }
  float* y = write<float>(op.y);
#pragma omp parallel for schedule(static)
  for (int64_t n = 0; n < picked; ++n) std::memcpy(y + n * row, x + indices[n] * row, row * sizeof(float));
}

void backward(const GatherBackward& op) {
  const int64_t rows = op.dx.shape[0], picked = op.indices.elements();
  const int64_t row = op.dx.elements() / rows;
  const float* dy = read<float>(op.dy);
  const int32_t* indices = read<int32_t>(op.indices);
  float* dx = write<float>(op.dx);
  constexpr int64_t strip = 256;
#pragma omp parallel for schedule(static)
  for (int64_t first = 0; first < row; first += strip) {
    const auto count = static_cast<size_t>(std::min(strip, row - first));
    for (int64_t m = 0; m < rows; ++m) std::memset(dx + m * row + first, 0, count * sizeof(float));
    for (int64_t n = 0; n < picked; ++n) accumulateRow(dy + n * row + first, dx + indices[n] * row + first, count);
  }
}

const Register<forward> registerForward("gather.forward");
const Register<backward> registerBackward("gather.backward");

}  // namespace
}  // namespace spinegrad::cpu
