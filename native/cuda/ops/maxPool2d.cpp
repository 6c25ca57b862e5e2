// maxPool2d: one kernel each way; kernels/maxPool2d.cu says how.

#include "kernels/maxPool2d.h"

#include <algorithm>

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

MaxPool2dShape shapeOf(const Call& call, const Shape& x, const Shape& y) {
  const MaxPool2dAttributes a(call);
  const auto narrow = [](int64_t value) { return static_cast<int32_t>(value); };
  return {x[0],
          narrow(x[1]),
          narrow(paddedChannels(x[1])),
          narrow(x[2]),
          narrow(x[3]),
          narrow(y[2]),
          narrow(y[3]),
          narrow(a.kernelH),
          narrow(a.kernelW),
          narrow(a.strideH),
          narrow(a.strideW),
          narrow(a.padH),
          narrow(a.padW)};
}

/// Blocks of 128 threads over rows of `shape`, four channels a thread.
Dim gridOver(const Shape& shape) {
  const int64_t fours = shape[3] * paddedChannels(shape[1]) / 4, lines = shape[0] * shape[2];
  return {static_cast<unsigned>((fours + 127) / 128), static_cast<unsigned>(std::min<int64_t>(lines, 65535))};
}

void forward(const Call& call) {
  const Shape &x = call.in(0).shape, &y = call.out(0).shape;
  launch("maxPool2d_forward", gridOver(y), {128}, 0, read(call.in(0), Layout::channelsLast), shapeOf(call, x, y),
         write(call.out(0), Layout::channelsLast), write<uint8_t>(call.out(1)));
}

void backward(const Call& call) {
  const Shape &x = call.out(0).shape, &y = call.in(0).shape;
  launch("maxPool2d_backward", gridOver(x), {128}, 0, read(call.in(0), Layout::channelsLast), read<uint8_t>(call.in(1)),
         shapeOf(call, x, y), write(call.out(0), Layout::channelsLast));
}

const Register registerForward("maxPool2d.forward", forward);
const Register registerBackward("maxPool2d.backward", backward);

}  // namespace
}  // namespace spinegrad::cuda
