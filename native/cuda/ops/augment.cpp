// augment: draws the random choices of each view as on the CPU, uploads them (120 bytes per view), and launches one
// kernel for all views; see kernels/augment.cu.

#include "native/engine/augment.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/augment.h"
#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/cuda/runtime/status.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

AugmentView viewOf(const View& view) {
  AugmentView result{.xx = view.xx,
                     .xy = view.xy,
                     .x0 = view.x0,
                     .yx = view.yx,
                     .yy = view.yy,
                     .y0 = view.y0,
                     .blur = static_cast<float>(view.blur),
                     .gamma = static_cast<float>(view.gamma),
                     .contrast = static_cast<float>(view.contrast),
                     .brightness = static_cast<float>(view.brightness),
                     .noise = static_cast<float>(view.noise),
                     .hasTone = view.hasTone,
                     .tone = {},
                     .blurRadius = static_cast<int32_t>(std::ceil(3 * view.blur)),
                     .hasCutout = view.hasCutout,
                     .cutoutX = static_cast<int32_t>(view.cutoutX),
                     .cutoutY = static_cast<int32_t>(view.cutoutY),
                     .cutoutWidth = static_cast<int32_t>(view.cutoutWidth),
                     .cutoutHeight = static_cast<int32_t>(view.cutoutHeight)};
  std::copy(view.tone.begin(), view.tone.end(), result.tone);
  return result;
}

AugmentParameters parametersOf(const AugmentForward& attributes, int64_t images, ImageSize bank, ImageSize size) {
  return {.images = static_cast<int32_t>(images),
          .bankHeight = static_cast<int32_t>(bank.height),
          .bankWidth = static_cast<int32_t>(bank.width),
          .height = static_cast<int32_t>(size.height),
          .width = static_cast<int32_t>(size.width),
          .seed = attributes.seed,
          .step = attributes.step,
          .cutoutMean = attributes.cutoutFill == CutoutFill::mean,
          .mean = static_cast<float>(attributes.mean),
          .deviation = static_cast<float>(attributes.deviation)};
}

void forward(const AugmentForward& op) {
  const Shape &bankShape = op.bank.shape, &viewShape = op.y.shape;
  const ImageSize bank{bankShape[1], bankShape[2]}, size{viewShape[2], viewShape[3]};
  const int64_t images = bankShape[0], count = viewShape[0];
  const int32_t* indices = read<int32_t>(op.indices);
  expectRange(indices, count, 0, static_cast<int32_t>(images - 1), "ERR_INDEX",
              "augment(): indices: expected images from 0 to " + std::to_string(images - 1) +
                  ", found {value} at position {position}");

  std::vector<AugmentView> views;
  for (int64_t row = 0; row < count; ++row) {
    views.push_back(viewOf(drawView(op, static_cast<uint32_t>(row), bank, size)));
  }
  const Workspace<AugmentView> uploaded(views);
  const bool blurs = op.blur > 0;
  const Workspace<float> blurred(blurs ? static_cast<size_t>(op.y.elements()) : 1);
  launch("augment_forward", {static_cast<unsigned>(count)}, {512}, 0, read<uint16_t>(op.bank), indices, uploaded.data(),
         parametersOf(op, images, bank, size), blurred.data(), write<float>(op.y));
}

const Register<forward> registerForward("augment.forward");

}  // namespace
}  // namespace spinegrad::cuda
