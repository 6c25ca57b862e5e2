// sum: y [1] = the sum of all stored elements, by pieces of fixed size. The gradient is one value everywhere.

#include "kernels/sum.h"

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"

namespace spinegrad::cuda {
namespace {

void forward(const Call& call) {
  const float* x = read(call.in(0), layout(call.in(0)));
  const auto count = static_cast<int64_t>(storedElements(call.in(0)));
  const int64_t chunks = (count + sumChunk - 1) / sumChunk;
  Workspace<double> partials(static_cast<size_t>(chunks));
  launch("sum_pieces", {static_cast<unsigned>(chunks)}, {256}, 0, x, partials.data(), count);
  launch("sum_total", {1}, {256}, 0, partials.data(), write<float>(call.out(0)), chunks);
}

void backward(const Call& call) {
  const float* dy = read<float>(call.in(0));
  const int64_t count = call.out(0).elements();
  launch("sum_backward", {blocksFor(count, 256)}, {256}, 0, dy, write<float>(call.out(0)), count);
}

const Register registerForward("sum.forward", forward);
const Register registerBackward("sum.backward", backward);

}  // namespace
}  // namespace spinegrad::cuda
