// globalAvgPool2d: four channels per thread in both passes.

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

struct Images {
  int64_t count;
  int32_t pixels, channels, paddedChannels;

  explicit Images(const Shape& shape)
      : count(shape[0]),
        pixels(static_cast<int32_t>(shape[2] * shape[3])),
        channels(static_cast<int32_t>(shape[1])),
        paddedChannels(static_cast<int32_t>(cuda::paddedChannels(shape[1]))) {}
};

void forward(const Forward& op) {
  const Images images(op.x.shape);
  launch("globalAvgPool2d_forward", {blocksFor(images.count * images.paddedChannels / 4, 128)}, {128}, 0,
         read(op.x, Layout::channelsLast), images.count, images.pixels, images.channels, images.paddedChannels,
         1.0 / images.pixels, write<float>(op.y));
}

void backward(const Backward& op) {
  const Images images(op.dx.shape);
  launch("globalAvgPool2d_backward", {blocksFor(images.count * images.pixels * images.paddedChannels / 4, 128)}, {128},
         0, read<float>(op.dy), images.count, images.pixels, images.channels, images.paddedChannels,
         write(op.dx, Layout::channelsLast));
}

const Register<forward> registerForward("globalAvgPool2d.forward");
const Register<backward> registerBackward("globalAvgPool2d.backward");

}  // namespace
}  // namespace spinegrad::cuda
