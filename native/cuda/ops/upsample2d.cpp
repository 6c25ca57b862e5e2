// upsample2d: one kernel per pass; see kernels/upsample2d.cu.

#include "native/cuda/ops/pixels.h"
#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

/// `small` is the shape of x, `grid` that of the result.
void launchOver(const char* kernel, const Shape& grid, const Shape& small, int64_t scale, const float* from,
                float* to) {
  launch(kernel, gridOver(grid), {128}, 0, from, to, small[0], static_cast<int32_t>(small[2]),
         static_cast<int32_t>(small[3]), static_cast<int32_t>(paddedChannels(small[1])), static_cast<int32_t>(scale));
}

void forward(const Upsample2dForward& op) {
  launchOver("upsample2d_forward", op.y.shape, op.x.shape, op.scale, read(op.x, Layout::channelsLast),
             write(op.y, Layout::channelsLast));
}

void backward(const Upsample2dBackward& op) {
  launchOver("upsample2d_backward", op.dx.shape, op.dx.shape, op.scale, read(op.dy, Layout::channelsLast),
             write(op.dx, Layout::channelsLast));
}

const Register<forward> registerForward("upsample2d.forward");
const Register<backward> registerBackward("upsample2d.backward");

}  // namespace
}  // namespace spinegrad::cuda
