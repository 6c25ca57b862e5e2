// softmax: y = exp(x - max) / sum over the last axis of x [N, C]; a warp a row. Backward needs only y.

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"

namespace spinegrad::cuda {
namespace {

void forward(const Call& call) {
  const int64_t rows = call.in(0).shape[0], classes = call.in(0).shape[1];
  const float* x = read<float>(call.in(0));
  launch("softmax_forward", {blocksFor(32 * rows, 256)}, {256}, 0, x, write<float>(call.out(0)), rows, classes);
}

void backward(const Call& call) {
  const int64_t rows = call.in(0).shape[0], classes = call.in(0).shape[1];
  const float* y = read<float>(call.in(0));
  const float* dy = read<float>(call.in(1));
  launch("softmax_backward", {blocksFor(32 * rows, 256)}, {256}, 0, y, dy, write<float>(call.out(0)), rows, classes);
}

const Register registerForward("softmax.forward", forward);
const Register registerBackward("softmax.backward", backward);

}  // namespace
}  // namespace spinegrad::cuda
