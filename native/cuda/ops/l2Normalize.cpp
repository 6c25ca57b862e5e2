// l2Normalize: a warp a row, each way.

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"

namespace spinegrad::cuda {
namespace {

void forward(const Call& call) {
  const int64_t rows = call.in(0).shape[0], columns = call.in(0).shape[1];
  launch("l2Normalize_forward", {blocksFor(rows * 32, 128)}, {128}, 0, read<float>(call.in(0)), rows, columns,
         static_cast<float>(call.real(0)), write<float>(call.out(0)), write<float>(call.out(1)));
}

void backward(const Call& call) {
  const int64_t rows = call.in(0).shape[0], columns = call.in(0).shape[1];
  launch("l2Normalize_backward", {blocksFor(rows * 32, 128)}, {128}, 0, read<float>(call.in(0)),
         read<float>(call.in(1)), read<float>(call.in(2)), rows, columns, static_cast<float>(call.real(0)),
         write<float>(call.out(0)));
}

const Register registerForward("l2Normalize.forward", forward);
const Register registerBackward("l2Normalize.backward", backward);

}  // namespace
}  // namespace spinegrad::cuda
