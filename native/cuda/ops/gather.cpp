// gather: rows of x [M, ...] by index; see kernels/gather.cu.

#include <algorithm>
#include <string>

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/cuda/runtime/status.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const GatherForward& op) {
  const int64_t rows = op.x.shape[0], outputRows = op.indices.elements(), rowSize = op.x.elements() / rows;
  const float* x = read<float>(op.x);
  const int32_t* indices = read<int32_t>(op.indices);
  const auto last = static_cast<int32_t>(std::min<int64_t>(rows - 1, INT32_MAX));
  expectRange(indices, outputRows, 0, last, "ERR_INDEX",
              "gather(): indices: expected rows from 0 to " + std::to_string(rows - 1) +
                  ", found {value} at position {position}");
  const Dim grid{blocksFor(rowSize, 256), static_cast<unsigned>(std::min<int64_t>(outputRows, 65535))};
  launch("gather_forward", grid, {256}, 0, x, indices, write<float>(op.y), rows, outputRows, rowSize);
}

void backward(const GatherBackward& op) {
  const int64_t rows = op.dx.shape[0], outputRows = op.indices.elements(), rowSize = op.dx.elements() / rows;
  const float* dy = read<float>(op.dy);
  const int32_t* indices = read<int32_t>(op.indices);
  float* dx = write<float>(op.dx);
  SPINEGRAD_CUDA(cuMemsetD8Async, addressOf(dx), 0, op.dx.bytes(), currentContext().stream());
  constexpr int64_t maxRanges = 256, maxColumnBlocks = 64;
  const int64_t rowsPerBlock = (rows + maxRanges - 1) / maxRanges;
  const Dim grid{static_cast<unsigned>((rows + rowsPerBlock - 1) / rowsPerBlock),
                 static_cast<unsigned>(std::clamp<int64_t>((rowSize + 255) / 256, 1, maxColumnBlocks))};
  launch("gather_backward", grid, {256}, 0, dy, indices, dx, rows, outputRows, rowSize, rowsPerBlock);
}

const Register<forward> registerForward("gather.forward");
const Register<backward> registerBackward("gather.backward");

}  // namespace
}  // namespace spinegrad::cuda
