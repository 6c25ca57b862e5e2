// maxPool2d: one kernel per pass; see kernels/maxPool2d.cu.

#include "kernels/maxPool2d.h"

#include "native/cuda/ops/pixels.h"
#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

template <class Op>
MaxPool2dShape shapeOf(const Op& op, const Shape& x, const Shape& y) {
  const auto narrow = [](int64_t value) { return static_cast<int32_t>(value); };
  return {x[0],
          narrow(x[1]),
          narrow(paddedChannels(x[1])),
          narrow(x[2]),
          narrow(x[3]),
          narrow(y[2]),
          narrow(y[3]),
          narrow(op.kernelH),
          narrow(op.kernelW),
          narrow(op.strideH),
          narrow(op.strideW),
          narrow(op.padH),
          narrow(op.padW)};
}

void forward(const MaxPool2dForward& op) {
  const Shape &x = op.x.shape, &y = op.y.shape;
  launch("maxPool2d_forward", gridOver(y), {128}, 0, read(op.x, Layout::channelsLast), shapeOf(op, x, y),
         write(op.y, Layout::channelsLast), write<uint8_t>(op.winner));
}

void backward(const MaxPool2dBackward& op) {
  const Shape &x = op.dx.shape, &y = op.dy.shape;
  launch("maxPool2d_backward", gridOver(x), {128}, 0, read(op.dy, Layout::channelsLast), read<uint8_t>(op.winner),
         shapeOf(op, x, y), write(op.dx, Layout::channelsLast));
}

const Register<forward> registerForward("maxPool2d.forward");
const Register<backward> registerBackward("maxPool2d.backward");

}  // namespace
}  // namespace spinegrad::cuda
