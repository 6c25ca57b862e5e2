// l2Normalize: one warp per row in both passes.

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const L2NormalizeForward& op) {
  const int64_t rows = op.x.shape[0], columns = op.x.shape[1];
  launch("l2Normalize_forward", {blocksFor(rows * 32, 128)}, {128}, 0, read<float>(op.x), rows, columns,
         static_cast<float>(op.eps), write<float>(op.y), write<float>(op.divisor));
}

void backward(const L2NormalizeBackward& op) {
  const int64_t rows = op.y.shape[0], columns = op.y.shape[1];
  launch("l2Normalize_backward", {blocksFor(rows * 32, 128)}, {128}, 0, read<float>(op.y), read<float>(op.divisor),
         read<float>(op.dy), rows, columns, static_cast<float>(op.eps), write<float>(op.dx));
}

const Register<forward> registerForward("l2Normalize.forward");
const Register<backward> registerBackward("l2Normalize.backward");

}  // namespace
}  // namespace spinegrad::cuda
