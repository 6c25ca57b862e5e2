// sum: y [1] = the sum of all stored elements, by chunks of fixed size; see kernels/sum.cu.

#include "kernels/sum.h"

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const Forward& op) {
  const float* x = read(op.x, layout(op.x));
  const auto count = static_cast<int64_t>(storedElements(op.x));
  const int64_t chunks = (count + sumChunk - 1) / sumChunk;
  Workspace<double> partials(static_cast<size_t>(chunks));
  launch("sum_pieces", {static_cast<unsigned>(chunks)}, {256}, 0, x, partials.data(), count);
  launch("sum_total", {1}, {256}, 0, partials.data(), write<float>(op.y), chunks);
}

void backward(const Backward& op) {
  const float* dy = read<float>(op.dy);
  const int64_t count = op.dx.elements();
  launch("sum_backward", {blocksFor(count, 256)}, {256}, 0, dy, write<float>(op.dx), count);
}

const Register<forward> registerForward("sum.forward");
const Register<backward> registerBackward("sum.backward");

}  // namespace
}  // namespace spinegrad::cuda
