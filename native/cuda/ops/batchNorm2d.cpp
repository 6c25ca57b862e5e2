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

template <class Op>
void normalize(const Op& op, const Plan& plan) {
  const auto layout = Layout::channelsLast;
  const auto relu = static_cast<int32_t>(op.relu);
  const BatchNorm2dChannels channels{read<float>(op.weight), read<float>(op.bias), read<float>(op.mean),
                                     read<float>(op.inverseDeviation)};
  const float* residual = op.residual != nullptr ? read(*op.residual, layout) : nullptr;
  launch("batchNorm2d_normalize", plan.grid(), {256}, 0, read(op.x, layout), residual, channels, plan.size, relu,
         write(op.y, layout));
}

/// Training: statistics of the batch, and the running ones moved towards them.
void forward(const BatchNorm2dForward& op) {
  const Plan plan(op.x.shape);
  const float* x = read(op.x, Layout::channelsLast);
  const auto known = takeStatistics(op.x);
  const Plan over = known ? Plan(known->view.groups, plan.size.channels) : plan;
  const Sums sums(over);
  if (known) {
    launch("batchNorm2d_mergeStatistics", over.grid(), {256}, 0, known->view, x, over.size, sums.view.sums);
  } else {
    launch("batchNorm2d_sums", over.grid(), {256}, 0, x, over.size, sums.view.sums);
  }
  const BatchNorm2dRunning running{read<float>(op.runningMean), read<float>(op.runningVariance), op.momentum};
  launch("batchNorm2d_statistics", {plan.groups}, {256}, 0, sums.view, x, plan.size, op.eps, running,
         write<float>(op.mean), write<float>(op.inverseDeviation));
  normalize(op, plan);
}

void inference(const BatchNorm2dInference& op) {
  const Plan plan(op.x.shape);
  launch("batchNorm2d_running", {blocksFor(plan.size.channels, 256)}, {256}, 0, read<float>(op.runningMean),
         read<float>(op.runningVariance), plan.size.channels, op.eps, write<float>(op.mean),
         write<float>(op.inverseDeviation));
  normalize(op, plan);
}

void gradient(const BatchNorm2dBackward& op, bool throughStatistics) {
  const auto layout = Layout::channelsLast;
  const Plan plan(op.x.shape);
  const auto relu = static_cast<int32_t>(op.relu);
  const float* x = read(op.x, layout);
  const float* y = read(op.y, layout);
  const float* dy = read(op.dy, layout);
  const BatchNorm2dChannels channels{read<float>(op.weight), nullptr, read<float>(op.mean),
                                     read<float>(op.inverseDeviation)};
  const Sums sums(plan);
  launch("batchNorm2d_gradientSums", plan.grid(), {256}, 0, x, y, dy, channels.mean, plan.size, relu, sums.view.sums);
  const Workspace<float> coefficients(size_t{3} * plan.size.paddedChannels);
  launch("batchNorm2d_coefficients", {plan.groups}, {256}, 0, sums.view, channels, plan.size,
         static_cast<int32_t>(throughStatistics), write<float>(op.dw), write<float>(op.db), coefficients.data());
  float* dx = write(op.dx, layout);
  float* dr = op.dr != nullptr ? write(*op.dr, layout) : nullptr;
  launch("batchNorm2d_gradient", plan.grid(), {256}, 0, x, y, dy, channels.mean, coefficients.data(), plan.size, relu,
         dx, dr);
}

void backward(const BatchNorm2dBackward& op) { gradient(op, true); }
void inferenceBackward(const BatchNorm2dBackward& op) { gradient(op, false); }

const Register<forward> registerForward("batchNorm2d.forward");
const Register<inference> registerInference("batchNorm2d.inference");
const Register<backward> registerBackward("batchNorm2d.backward");
const Register<inferenceBackward> registerInferenceBackward("batchNorm2d.inferenceBackward");

}  // namespace
}  // namespace spinegrad::cuda
