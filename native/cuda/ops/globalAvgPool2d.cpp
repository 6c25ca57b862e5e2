// globalAvgPool2d: four channels a thread, each way.

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"

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

void forward(const Call& call) {
  const Images images(call.in(0).shape);
  launch("globalAvgPool2d_forward", {blocksFor(images.count * images.paddedChannels / 4, 128)}, {128}, 0,
         read(call.in(0), Layout::channelsLast), images.count, images.pixels, images.channels, images.paddedChannels,
         1.0 / images.pixels, write<float>(call.out(0)));
}

void backward(const Call& call) {
  const Images images(call.out(0).shape);
  launch("globalAvgPool2d_backward", {blocksFor(images.count * images.pixels * images.paddedChannels / 4, 128)}, {128},
         0, read<float>(call.in(0)), images.count, images.pixels, images.channels, images.paddedChannels,
         write(call.out(0), Layout::channelsLast));
}

const Register registerForward("globalAvgPool2d.forward", forward);
const Register registerBackward("globalAvgPool2d.backward", backward);

}  // namespace
}  // namespace spinegrad::cuda
