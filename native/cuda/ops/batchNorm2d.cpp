// batchNorm2d: two passes over the pixels and a small one over the channels in between; see kernels/batchNorm2d.cu. If
// the preceding convolution has computed statistics, forward skips its first pass.

#include "kernels/batchNorm2d.h"

#include <algorithm>

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

constexpr int64_t pixelRows = 32, channelsPerBlock = 32;

/// The distribution of the pixels over blocks. It depends on the shape alone, because it determines the order of the
/// sums.
struct PixelPartition {
  BatchNorm2dSize size;
  /// Chunks of pixels, and groups of 32 channels.
  unsigned chunks, groups;

  explicit PixelPartition(const Shape& shape) : PixelPartition(shape[0] * shape[2] * shape[3], shape[1]) {}
  PixelPartition(int64_t pixels, int64_t channels) {
    // About 1,024 blocks keep every multiprocessor busy; no thread adds more than 64 values in float.
    constexpr int64_t blocks = 1024, minPixels = 4, maxPixels = 64;
    const int64_t padded = paddedChannels(channels);
    groups = static_cast<unsigned>((padded + channelsPerBlock - 1) / channelsPerBlock);
    const int64_t pixelsPerThread = std::clamp(pixels * groups / (pixelRows * blocks), minPixels, maxPixels);
    chunks = static_cast<unsigned>((pixels + pixelRows * pixelsPerThread - 1) / (pixelRows * pixelsPerThread));
    size = {pixels, static_cast<int32_t>(channels), static_cast<int32_t>(padded),
            static_cast<int32_t>(pixelsPerThread)};
  }

  Dim grid() const { return {chunks, groups}; }
};

/// Two sums in double per chunk and channel.
struct Sums {
  explicit Sums(const PixelPartition& partition)
      : memory(size_t{2} * partition.chunks * partition.size.paddedChannels) {
    view = {memory.data(), static_cast<int32_t>(partition.chunks)};
  }

  Workspace<double> memory;
  BatchNorm2dSums view;
};

template <class Op>
void normalize(const Op& op, const PixelPartition& partition) {
  const auto layout = Layout::channelsLast;
  const auto relu = static_cast<int32_t>(op.relu);
  const BatchNorm2dChannels channels{read<float>(op.weight), read<float>(op.bias), read<float>(op.mean),
                                     read<float>(op.inverseDeviation)};
  const float* residual = op.residual != nullptr ? read(*op.residual, layout) : nullptr;
  launch("batchNorm2d_normalize", partition.grid(), {256}, 0, read(op.x, layout), residual, channels, partition.size,
         relu, write(op.y, layout));
}

/// Training: normalizes with the statistics of the batch and updates the running ones.
void forward(const BatchNorm2dForward& op) {
  const PixelPartition partition(op.x.shape);
  const float* x = read(op.x, Layout::channelsLast);
  const auto statistics = takeStatistics(op.x);
  const PixelPartition statisticsPartition =
      statistics ? PixelPartition(statistics->view.groups, partition.size.channels) : partition;
  const Sums sums(statisticsPartition);
  if (statistics) {
    launch("batchNorm2d_mergeStatistics", statisticsPartition.grid(), {256}, 0, statistics->view, x,
           statisticsPartition.size, sums.view.sums);
  } else {
    launch("batchNorm2d_sums", statisticsPartition.grid(), {256}, 0, x, statisticsPartition.size, sums.view.sums);
  }
  const BatchNorm2dRunning running{read<float>(op.runningMean), read<float>(op.runningVariance), op.momentum};
  launch("batchNorm2d_statistics", {partition.groups}, {256}, 0, sums.view, x, partition.size, op.eps, running,
         write<float>(op.mean), write<float>(op.inverseDeviation));
  normalize(op, partition);
}

void inference(const BatchNorm2dInference& op) {
  const PixelPartition partition(op.x.shape);
  launch("batchNorm2d_running", {blocksFor(partition.size.channels, 256)}, {256}, 0, read<float>(op.runningMean),
         read<float>(op.runningVariance), partition.size.channels, op.eps, write<float>(op.mean),
         write<float>(op.inverseDeviation));
  normalize(op, partition);
}

void gradient(const BatchNorm2dBackward& op, bool batchStatistics) {
  const auto layout = Layout::channelsLast;
  const PixelPartition partition(op.x.shape);
  const auto relu = static_cast<int32_t>(op.relu);
  const float* x = read(op.x, layout);
  const float* y = read(op.y, layout);
  const float* dy = read(op.dy, layout);
  const BatchNorm2dChannels channels{read<float>(op.weight), nullptr, read<float>(op.mean),
                                     read<float>(op.inverseDeviation)};
  const Sums sums(partition);
  launch("batchNorm2d_gradientSums", partition.grid(), {256}, 0, x, y, dy, channels.mean, partition.size, relu,
         sums.view.sums);
  const Workspace<float> coefficients(size_t{3} * partition.size.paddedChannels);
  launch("batchNorm2d_coefficients", {partition.groups}, {256}, 0, sums.view, channels, partition.size,
         static_cast<int32_t>(batchStatistics), write<float>(op.dw), write<float>(op.db), coefficients.data());
  float* dx = write(op.dx, layout);
  float* dr = op.dr != nullptr ? write(*op.dr, layout) : nullptr;
  launch("batchNorm2d_gradient", partition.grid(), {256}, 0, x, y, dy, channels.mean, coefficients.data(),
         partition.size, relu, dx, dr);
}

void backward(const BatchNorm2dBackward& op) { gradient(op, true); }
void inferenceBackward(const BatchNorm2dBackward& op) { gradient(op, false); }

const Register<forward> registerForward("batchNorm2d.forward");
const Register<inference> registerInference("batchNorm2d.inference");
const Register<backward> registerBackward("batchNorm2d.backward");
const Register<inferenceBackward> registerInferenceBackward("batchNorm2d.inferenceBackward");

}  // namespace
}  // namespace spinegrad::cuda
