// gather: rows of x [M, ...] by index.

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
  const int64_t rows = op.x.shape[0], wanted = op.indices.elements(), row = op.x.elements() / rows;
  const float* x = read<float>(op.x);
  const int32_t* indices = read<int32_t>(op.indices);
  const auto last = static_cast<int32_t>(std::min<int64_t>(rows - 1, INT32_MAX));
  expectRange(indices, wanted, 0, last, "ERR_INDEX",
              "gather(): indices: expected rows from 0 to " + std::to_string(rows - 1) +
                  ", found {value} at position {position}");
  const Dim grid{blocksFor(row, 256), static_cast<unsigned>(std::min<int64_t>(wanted, 65535))};
  launch("gather_forward", grid, {256}, 0, x, indices, write<float>(op.y), rows, wanted, row);
}

void backward(const GatherBackward& op) {
  const int64_t rows = op.dx.shape[0], wanted = op.indices.elements(), row = op.dx.elements() / rows;
  const float* dy = read<float>(op.dy);
  const int32_t* indices = read<int32_t>(op.indices);
  float* dx = write<float>(op.dx);
  SPINEGRAD_CUDA(cuMemsetD8Async, addressOf(dx), 0, op.dx.bytes(), currentContext().stream());
  constexpr int64_t mostRanges = 256, mostPieces = 64;
  const int64_t rowsOfBlock = (rows + mostRanges - 1) / mostRanges;
  const Dim grid{static_cast<unsigned>((rows + rowsOfBlock - 1) / rowsOfBlock),
                 static_cast<unsigned>(std::clamp<int64_t>((row + 255) / 256, 1, mostPieces))};
  launch("gather_backward", grid, {256}, 0, dy, indices, dx, rows, wanted, row, rowsOfBlock);
}

const Register<forward> registerForward("gather.forward");
const Register<backward> registerBackward("gather.backward");

}  // namespace
}  // namespace spinegrad::cuda
