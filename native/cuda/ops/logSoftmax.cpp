// logSoftmax: y = (x - max) - log(sum(exp(x - max))) over the last axis of x [N, C], one warp per row. Backward uses y.

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const Forward& op) {
  const int64_t rows = op.x.shape[0], classes = op.x.shape[1];
  const float* x = read<float>(op.x);
  launch("logSoftmax_forward", {blocksFor(32 * rows, 256)}, {256}, 0, x, write<float>(op.y), rows, classes);
}

void backward(const BackwardFromOutput& op) {
  const int64_t rows = op.y.shape[0], classes = op.y.shape[1];
  const float* y = read<float>(op.y);
  const float* dy = read<float>(op.dy);
  launch("logSoftmax_backward", {blocksFor(32 * rows, 256)}, {256}, 0, y, dy, write<float>(op.dx), rows, classes);
}

const Register<forward> registerForward("logSoftmax.forward");
const Register<backward> registerBackward("logSoftmax.backward");

}  // namespace
}  // namespace spinegrad::cuda
