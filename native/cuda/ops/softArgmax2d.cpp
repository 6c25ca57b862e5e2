// softArgmax2d: forward takes one block per heatmap, backward is elementwise.

#include <algorithm>

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

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

float scaleOf(double temperature) { return static_cast<float>(1 / temperature); }

void forward(const SoftArgmax2dForward& op) {
  const Heatmaps maps(op.heatmaps.shape);
  launch("softArgmax2d_forward", {blocksFor(maps.count * 256, 256)}, {256}, 0, read<float>(op.heatmaps), maps.count,
         maps.pixels, maps.width, scaleOf(op.temperature), write<float>(op.y), write<float>(op.statistics));
}

void backward(const SoftArgmax2dBackward& op) {
  const Heatmaps maps(op.heatmaps.shape);
  const Dim grid{blocksFor(maps.pixels, 256), static_cast<unsigned>(std::min<int64_t>(maps.count, 65535))};
  launch("softArgmax2d_backward", grid, {256}, 0, read<float>(op.heatmaps), read<float>(op.y),
         read<float>(op.statistics), read<float>(op.dy), maps.count, maps.pixels, maps.width, scaleOf(op.temperature),
         write<float>(op.dx));
}

const Register<forward> registerForward("softArgmax2d.forward");
const Register<backward> registerBackward("softArgmax2d.backward");

}  // namespace
}  // namespace spinegrad::cuda
