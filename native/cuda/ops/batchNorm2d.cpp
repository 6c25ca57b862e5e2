// batchNorm2d: two passes over the pixels and a small one over the channels between them; kernels/batchNorm2d.cu says
// what each computes. The first pass of forward is spared where the convolution before has left its result's
// statistics.

#include "kernels/batchNorm2d.h"

#include <algorithm>

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

constexpr int64_t pixelRows = 32, channelsOfBlock = 32;

/// How the pixels are shared out: a pure function of the shape, since it decides the order of the sums.
struct Plan {
  BatchNorm2dSize size;
  /// Rows of blocks, and groups of channels.
  unsigned chunks, groups;

  explicit Plan(const Shape& shape) : Plan(shape[0] * shape[2] * shape[3], shape[1]) {}
  Plan(int64_t pixels, int64_t channels) {
    // About 1,024 blocks keep every multiprocessor busy; no thread adds more than 64 values in float.
    constexpr int64_t blocks = 1024, fewest = 4, most = 64;
    const int64_t padded = paddedChannels(channels);
    groups = static_cast<unsigned>((padded + channelsOfBlock - 1) / channelsOfBlock);
    const int64_t pixelsPerThread = std::clamp(pixels * groups / (pixelRows * blocks), fewest, most);
    chunks = static_cast<unsigned>((pixels + pixelRows * pixelsPerThread - 1) / (pixelRows * pixelsPerThread));
    size = {pixels, static_cast<int32_t>(channels), static_cast<int32_t>(padded),
            static_cast<int32_t>(pixelsPerThread)};
  }

  Dim grid() const { return {chunks, groups}; }
};

/// Two sums a chunk and channel, in double.
struct Sums {
  explicit Sums(const Plan& plan) : memory(size_t{2} * plan.chunks * plan.size.paddedChannels) {
    view = {memory.data(), static_cast<int32_t>(plan.chunks)};
  }

  Workspace<double> memory;
  BatchNorm2dSums view;
};

/// Inputs: x, weight, bias, running mean, running variance, residual or none. Outputs: y, mean, 1 / deviation.
void normalize(const Call& call, const Plan& plan) {
  const auto layout = Layout::channelsLast;
  const auto relu = static_cast<int32_t>(BatchNorm2dAttributes(call).relu);
  const BatchNorm2dChannels channels{read<float>(call.in(1)), read<float>(call.in(2)), read<float>(call.out(1)),
                                     read<float>(call.out(2))};
  const float* residual = call.hasIn(5) ? read(call.in(5), layout) : nullptr;
  launch("batchNorm2d_normalize", plan.grid(), {256}, 0, read(call.in(0), layout), residual, channels, plan.size, relu,
         write(call.out(0), layout));
}

/// Training: statistics of the batch, and the running ones (outputs 3 and 4) moved towards them.
void forward(const Call& call) {
  const Plan plan(call.in(0).shape);
  const BatchNorm2dAttributes attributes(call);
  const float* x = read(call.in(0), Layout::channelsLast);
  const auto known = takeStatistics(call.in(0));
  const Plan over = known ? Plan(known->view.groups, plan.size.channels) : plan;
  const Sums sums(over);
  if (known) {
    launch("batchNorm2d_mergeStatistics", over.grid(), {256}, 0, known->view, x, over.size, sums.view.sums);
  } else {
    launch("batchNorm2d_sums", over.grid(), {256}, 0, x, over.size, sums.view.sums);
  }
  const BatchNorm2dRunning running{read<float>(call.out(3)), read<float>(call.out(4)), attributes.momentum};
  launch("batchNorm2d_statistics", {plan.groups}, {256}, 0, sums.view, x, plan.size, attributes.eps, running,
         write<float>(call.out(1)), write<float>(call.out(2)));
  normalize(call, plan);
}

void evaluate(const Call& call) {
  const Plan plan(call.in(0).shape);
  launch("batchNorm2d_running", {blocksFor(plan.size.channels, 256)}, {256}, 0, read<float>(call.in(3)),
         read<float>(call.in(4)), plan.size.channels, BatchNorm2dAttributes(call).eps, write<float>(call.out(1)),
         write<float>(call.out(2)));
  normalize(call, plan);
}

/// Inputs: x, y, dy, weight, mean, 1 / deviation. Outputs: dx, dw, db, and dr where a residual wants it.
void gradient(const Call& call, bool throughStatistics) {
  const auto layout = Layout::channelsLast;
  const Plan plan(call.in(0).shape);
  const auto relu = static_cast<int32_t>(BatchNorm2dAttributes(call).relu);
  const float* x = read(call.in(0), layout);
  const float* y = read(call.in(1), layout);
  const float* dy = read(call.in(2), layout);
  const BatchNorm2dChannels channels{read<float>(call.in(3)), nullptr, read<float>(call.in(4)),
                                     read<float>(call.in(5))};
  const Sums sums(plan);
  launch("batchNorm2d_gradientSums", plan.grid(), {256}, 0, x, y, dy, channels.mean, plan.size, relu, sums.view.sums);
  const Workspace<float> coefficients(size_t{3} * plan.size.paddedChannels);
  launch("batchNorm2d_coefficients", {plan.groups}, {256}, 0, sums.view, channels, plan.size,
         static_cast<int32_t>(throughStatistics), write<float>(call.out(1)), write<float>(call.out(2)),
         coefficients.data());
  float* dx = write(call.out(0), layout);
  float* dr = call.hasOut(3) ? write(call.out(3), layout) : nullptr;
  launch("batchNorm2d_gradient", plan.grid(), {256}, 0, x, y, dy, channels.mean, coefficients.data(), plan.size, relu,
         dx, dr);
}

void backward(const Call& call) { gradient(call, true); }
void evaluateBackward(const Call& call) { gradient(call, false); }

const Register registerForward("batchNorm2d.forward", forward);
const Register registerEvaluate("batchNorm2d.evaluate", evaluate);
const Register registerBackward("batchNorm2d.backward", backward);
const Register registerEvaluateBackward("batchNorm2d.evaluateBackward", evaluateBackward);

}  // namespace
}  // namespace spinegrad::cuda
