// softArgmax2d: a block a heatmap forward, elementwise backward.

#include <algorithm>

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"

namespace spinegrad::cuda {
namespace {

struct Heatmaps {
  int64_t count;
  int32_t pixels, width;

  explicit Heatmaps(const Shape& shape)
      : count(shape[0] * shape[1]),
        pixels(static_cast<int32_t>(shape[2] * shape[3])),
        width(static_cast<int32_t>(shape[3])) {}
};

float scaleOf(const Call& call) { return static_cast<float>(1 / call.real(0)); }

void forward(const Call& call) {
  const Heatmaps maps(call.in(0).shape);
  launch("softArgmax2d_forward", {blocksFor(maps.count * 256, 256)}, {256}, 0, read<float>(call.in(0)), maps.count,
         maps.pixels, maps.width, scaleOf(call), write<float>(call.out(0)), write<float>(call.out(1)));
}

void backward(const Call& call) {
  const Heatmaps maps(call.in(0).shape);
  const Dim grid{blocksFor(maps.pixels, 256), static_cast<unsigned>(std::min<int64_t>(maps.count, 65535))};
  launch("softArgmax2d_backward", grid, {256}, 0, read<float>(call.in(0)), read<float>(call.in(1)),
         read<float>(call.in(2)), read<float>(call.in(3)), maps.count, maps.pixels, maps.width, scaleOf(call),
         write<float>(call.out(0)));
}

const Register registerForward("softArgmax2d.forward", forward);
const Register registerBackward("softArgmax2d.backward", backward);

}  // namespace
}  // namespace spinegrad::cuda
