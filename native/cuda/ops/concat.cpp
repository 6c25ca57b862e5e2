// concat along axis 0 or 1: one copy per input; see kernels/concat.cu. Along axis 1 images are channels last; all other
// tensors are row-major.

#include "kernels/concat.h"

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

/// A tensor as rows in which the values of a channel are contiguous; along axis 0 it is one row, and its first axis
/// takes the place of the channels.
struct Rows {
  Layout layout;
  /// Rows, floats in one, and floats per channel.
  int64_t count, size, perChannel;

  Rows(const Shape& shape, int64_t axis)
      : layout(axis == 1 && shape.rank() == 4 ? Layout::channelsLast : Layout::rowMajor),
        count(axis == 0                        ? 1
              : layout == Layout::channelsLast ? shape[0] * shape[2] * shape[3]
                                               : shape[0]),
        size(layout == Layout::channelsLast ? paddedChannels(shape[1]) : shape.elements() / count),
        perChannel(layout == Layout::channelsLast ? 1 : size / shape[axis]) {}
};

void copy(const float* from, const ConcatRows& s, float* to) {
  const int64_t width = (s.fromSize | s.toSize | s.fromFirst | s.toFirst | s.values | s.count) % 4 == 0 ? 4 : 1;
  launch(width == 4 ? "concat_copyFour" : "concat_copy", {blocksFor(s.rows * s.count / width, 256)}, {256}, 0, from, s,
         to);
}

void forward(const ConcatForward& op) {
  const Rows y(op.y.shape, op.axis);
  float* to = write(op.y, y.layout);
  int64_t first = 0;
  for (const TensorRef& input : op.inputs) {
    const Rows x(input->shape, op.axis);
    const int64_t values = input->shape[op.axis] * x.perChannel;
    const bool last = &input == &op.inputs.back();
    copy(read(*input, x.layout), {y.count, x.size, y.size, 0, first, values, last ? y.size - first : values}, to);
    first += values;
  }
}

void backward(const ConcatBackward& op) {
  const Rows dy(op.dy.shape, op.axis), dx(op.dx.shape, op.axis);
  copy(read(op.dy, dy.layout),
       {dx.count, dy.size, dx.size, op.first * dy.perChannel, 0, op.dx.shape[op.axis] * dx.perChannel, dx.size},
       write(op.dx, dx.layout));
}

const Register<forward> registerForward("concat.forward");
const Register<backward> registerBackward("concat.backward");

}  // namespace
}  // namespace spinegrad::cuda
