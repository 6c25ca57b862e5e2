// softmax: y = exp(x - max) / sum over the last axis of x [N, C], one warp per row. Backward uses y.

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const Forward& op) {
  const int64_t rows = op.x.shape[0], classes = op.x.shape[1];
  const float* x = read<float>(op.x);
  launch("softmax_forward", {blocksFor(32 * rows, 256)}, {256}, 0, x, write<float>(op.y), rows, classes);
}

void backward(const BackwardFromOutput& op) {
  const int64_t rows = op.y.shape[0], classes = op.y.shape[1];
  const float* y = read<float>(op.y);
  const float* dy = read<float>(op.dy);
  launch("softmax_backward", {blocksFor(32 * rows, 256)}, {256}, 0, y, dy, write<float>(op.dx), rows, classes);
}

const Register<forward> registerForward("softmax.forward");
const Register<backward> registerBackward("softmax.backward");

}  // namespace
}  // namespace spinegrad::cuda
