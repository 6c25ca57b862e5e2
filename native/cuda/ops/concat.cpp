// concat along axis 1: one copy per input; see kernels/concat.cu. Images are channels last, other tensors row-major.

#include "kernels/concat.h"

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

/// A tensor as rows in which the values of a channel are contiguous.
struct Rows {
  Layout layout;
  /// Rows, floats in one, and floats per channel.
  int64_t count, size, perChannel;

  explicit Rows(const Shape& shape)
      : layout(shape.rank() == 4 ? Layout::channelsLast : Layout::rowMajor),
        count(layout == Layout::channelsLast ? shape[0] * shape[2] * shape[3] : shape[0]),
        size(layout == Layout::channelsLast ? paddedChannels(shape[1]) : shape.elements() / shape[0]),
        perChannel(layout == Layout::channelsLast ? 1 : size / shape[1]) {}
};

void copy(const float* from, const ConcatRows& s, float* to) {
  const int64_t width = (s.fromSize | s.toSize | s.fromFirst | s.toFirst | s.values | s.count) % 4 == 0 ? 4 : 1;
  launch(width == 4 ? "concat_copyFour" : "concat_copy", {blocksFor(s.rows * s.count / width, 256)}, {256}, 0, from, s,
         to);
}

void forward(const ConcatForward& op) {
  const Rows y(op.y.shape);
  float* to = write(op.y, y.layout);
  int64_t first = 0;
  for (const TensorRef& input : op.inputs) {
    const Rows x(input->shape);
    const int64_t values = input->shape[1] * x.perChannel;
    const bool last = &input == &op.inputs.back();
    copy(read(*input, x.layout), {y.count, x.size, y.size, 0, first, values, last ? y.size - first : values}, to);
    first += values;
  }
}

void backward(const ConcatBackward& op) {
  const Rows dy(op.dy.shape), dx(op.dx.shape);
  copy(read(op.dy, dy.layout),
       {dx.count, dy.size, dx.size, op.first * dy.perChannel, 0, op.dx.shape[1] * dx.perChannel, dx.size},
       write(op.dx, dx.layout));
}

const Register<forward> registerForward("concat.forward");
const Register<backward> registerBackward("concat.backward");

}  // namespace
}  // namespace spinegrad::cuda
