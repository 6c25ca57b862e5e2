// batchNorm2d over images with their channels last, fused with the sum of a residual and a ReLU. The formulas are those
// of native/cpu/ops/batchNorm2d.cpp; with M pixels a channel over all images,
//
//   forward    sums of (x - origin) and of its square, origin = the channel's first value: near enough to the mean for
//              the difference of squares to lose no digits;  then  y = relu(scale (x - mean) + bias + residual)
//   backward   g = dy where y > 0 (or dy);  db = sum g,  dw = sum g (x - mean) / deviation;  then
//              dx = A g + B (x - mean) + C  with one A, B, C a channel, and g itself for the residual
//
// Nothing is kept between the passes but mean and 1 / deviation; g is made again from y and dy. So memory is all that
// counts: forward moves 12 bytes a value (x twice, y) and 4 for a residual, backward 28 (x, y, dy twice, dx) and 4,
// against some 20 operations. A layer of 64 channels of 24 x 24 at batch 64 is 9.4 MB a tensor: 28 MB forward. Where
// the convolution that made x has left mean and squared deviations of groups of its pixels (lib/moments.cuh), forward
// merges these and moves 8: with n_g pixels, mean m_g and squares q_g of group g,
//
//   sum (x - origin) = sum_g n_g (m_g - origin)        sum (x - origin)^2 = sum_g q_g + n_g (m_g - origin)^2
//
// A block of 256 threads is 8 lanes of 4 channels by 32 pixels, so a warp reads four whole lines of 128 bytes; a
// thread stays on its channels, whose constants it keeps in registers, and takes every 32nd pixel of its chunk.
//
// Sums have a fixed order: a thread adds at most 64 values in float, all else is double: the warp (four pixels), the
// block (eight warps), the chunks (one row of blocks each). A second kernel adds the chunks, so none waits for another.
#include "kernels/batchNorm2d.h"
#include "kernels/lib/kernel.cuh"
#include "kernels/lib/vector.cuh"

namespace {

constexpr int lanes = 8;       // of 4 channels
constexpr int pixelRows = 32;  // a round
constexpr int channelsOfBlock = 4 * lanes;

/// What one thread works on: its first channel, and every 32nd pixel from `first` to below `end`.
struct Part {
  int32_t channel;
  int64_t first, end;

  __device__ __forceinline__ explicit Part(const BatchNorm2dSize& size)
      : channel(blockIdx.y * channelsOfBlock + threadIdx.x % lanes * 4),
        first(int64_t(blockIdx.x) * pixelRows * size.rounds + threadIdx.x / lanes),
        end(min(size.pixels, int64_t(blockIdx.x + 1) * pixelRows * size.rounds)) {
    if (channel >= size.padded) end = 0;
  }
};

__device__ __forceinline__ Float4 gated(const float* y, const float* dy, int64_t at, int32_t relu) {
  Float4 g = load<Float4>(dy + at);
  if (relu) {
    const Float4 kept = load<Float4>(y + at);
#pragma unroll
    for (int i = 0; i < 4; ++i) g[i] = kept[i] > 0 ? g[i] : 0.0f;
  }
  return g;
}

/// Adds the threads' sums over the block and writes them as the sums of its chunk.
__device__ __forceinline__ void writeSums(const Float4& first, const Float4& second, const BatchNorm2dSize& size,
                                          double* sums) {
  SPINEGRAD_SHARED(double[8][2][channelsOfBlock], partial);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    double pair[2] = {first[i], second[i]};
#pragma unroll
    for (int which = 0; which < 2; ++which) {
#pragma unroll
      for (int step = lanes; step < 32; step *= 2) pair[which] += __shfl_xor_sync(0xffffffffu, pair[which], step);
      if (laneId() < lanes) partial[warpId()][which][4 * laneId() + i] = pair[which];
    }
  }
  __syncthreads();
  const int which = threadIdx.x / channelsOfBlock, lane = threadIdx.x % channelsOfBlock;
  const int32_t channel = blockIdx.y * channelsOfBlock + lane;
  if (which > 1 || channel >= size.padded) return;
  double total = 0;
#pragma unroll
  for (int warp = 0; warp < 8; ++warp) total += partial[warp][which][lane];
  sums[(int64_t(blockIdx.x) * 2 + which) * size.padded + channel] = total;
}

struct Pair {
  double first, second;
};

/// Adds the chunks of one channel a lane: warp w takes chunks w, w + 8, ..., the first warp adds the eight in order.
/// The result is that of the first warp's lanes alone.
__device__ __forceinline__ Pair addChunks(const BatchNorm2dSums& from, int32_t channel, int32_t padded) {
  SPINEGRAD_SHARED(Pair[8][32], partial);
  Pair total = {0, 0};
  if (channel < padded) {
    for (int64_t chunk = warpId(); chunk < from.chunks; chunk += 8) {
      total.first += from.sums[chunk * 2 * padded + channel];
      total.second += from.sums[(chunk * 2 + 1) * padded + channel];
    }
  }
  partial[warpId()][laneId()] = total;
  __syncthreads();
  for (int warp = 1; warp < 8 && warpId() == 0; ++warp) {
    total.first += partial[warp][laneId()].first;
    total.second += partial[warp][laneId()].second;
  }
  return total;
}

}  // namespace

/// grid: chunks, groups of 32 channels; as for all kernels over pixels here.
SPINEGRAD_KERNEL(batchNorm2d_sums, 256, (const float* __restrict__ x, BatchNorm2dSize size, double* sums)) {
  const Part part(size);
  Float4 sum = {}, squares = {};
  if (part.first < part.end) {
    const Float4 origin = load<Float4>(x + part.channel);
#pragma unroll 4
    for (int64_t pixel = part.first; pixel < part.end; pixel += pixelRows) {
      const Float4 value = load<Float4>(x + pixel * size.padded + part.channel);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float shifted = value[i] - origin[i];
        sum[i] += shifted;
        squares[i] += shifted * shifted;
      }
    }
  }
  writeSums(sum, squares, size, sums);
}

/// The same sums from statistics of groups of the pixels; `size` counts groups for pixels.
SPINEGRAD_KERNEL(batchNorm2d_mergeStatistics, 256,
                 (ChannelStatistics known, const float* x, BatchNorm2dSize size, double* sums)) {
  const Part part(size);
  Float4 sum = {}, squares = {};
  if (part.first < part.end) {
    const Float4 origin = load<Float4>(x + part.channel);
#pragma unroll 2
    for (int64_t group = part.first; group < part.end; group += pixelRows) {
      const float count = known.counts[group];
      if (count == 0) continue;
      const int64_t at = group * size.padded + part.channel;
      const Float4 mean = load<Float4>(known.means + at), square = load<Float4>(known.squares + at);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float shifted = mean[i] - origin[i];
        sum[i] += count * shifted;
        squares[i] += square[i] + count * shifted * shifted;
      }
    }
  }
  writeSums(sum, squares, size, sums);
}

/// grid: groups of 32 channels. Mean and 1 / deviation of the batch, and the running statistics moved towards them.
SPINEGRAD_KERNEL(batchNorm2d_statistics, 256,
                 (BatchNorm2dSums sums, const float* x, BatchNorm2dSize size, double eps, BatchNorm2dRunning running,
                  float* mean, float* inverseDeviation)) {
  const int32_t channel = blockIdx.x * 32 + laneId();
  const Pair total = addChunks(sums, channel, size.padded);
  if (warpId() != 0 || channel >= size.channels) return;
  const double count = static_cast<double>(size.pixels), shifted = total.first / count;
  const double variance = fmax(total.second / count - shifted * shifted, 0.0);
  const double unbiased = variance * count / (count - 1), average = shifted + x[channel];
  mean[channel] = static_cast<float>(average);
  inverseDeviation[channel] = static_cast<float>(1 / sqrt(variance + eps));
  running.mean[channel] += static_cast<float>(running.momentum * (average - running.mean[channel]));
  running.variance[channel] += static_cast<float>(running.momentum * (unbiased - running.variance[channel]));
}

/// The same of the running statistics, which stay as they are.
SPINEGRAD_KERNEL(batchNorm2d_running, 256,
                 (const float* runningMean, const float* runningVariance, int32_t channels, double eps, float* mean,
                  float* inverseDeviation)) {
  for (int64_t channel = globalThread(); channel < channels; channel += allThreads()) {
    mean[channel] = runningMean[channel];
    inverseDeviation[channel] = static_cast<float>(1 / sqrt(runningVariance[channel] + eps));
  }
}

SPINEGRAD_KERNEL(batchNorm2d_normalize, 256,
                 (const float* __restrict__ x, const float* __restrict__ residual, BatchNorm2dChannels channels,
                  BatchNorm2dSize size, int32_t relu, float* __restrict__ y)) {
  const Part part(size);
  if (part.first >= part.end) return;
  const Float4 mean = loadFour(channels.mean, part.channel, size.channels);
  const Float4 bias = loadFour(channels.bias, part.channel, size.channels);
  const Float4 weight = loadFour(channels.weight, part.channel, size.channels);
  Float4 scale = loadFour(channels.inverseDeviation, part.channel, size.channels);
#pragma unroll
  for (int i = 0; i < 4; ++i) scale[i] *= weight[i];
#pragma unroll 4
  for (int64_t pixel = part.first; pixel < part.end; pixel += pixelRows) {
    const int64_t at = pixel * size.padded + part.channel;
    const Float4 from = load<Float4>(x + at);
    const Float4 added = residual != nullptr ? load<Float4>(residual + at) : Float4{};
    Float4 to;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float value = (from[i] - mean[i]) * scale[i] + bias[i] + added[i];
      to[i] = relu && value < 0 ? 0.0f : value;
    }
    store(y + at, to);
  }
}

SPINEGRAD_KERNEL(batchNorm2d_gradientSums, SPINEGRAD_BOUNDS(256, 4),
                 (const float* __restrict__ x, const float* __restrict__ y, const float* __restrict__ dy,
                  const float* means, BatchNorm2dSize size, int32_t relu, double* sums)) {
  const Part part(size);
  Float4 sum = {}, product = {};
  if (part.first < part.end) {
    const Float4 mean = loadFour(means, part.channel, size.channels);
#pragma unroll 2
    for (int64_t pixel = part.first; pixel < part.end; pixel += pixelRows) {
      const int64_t at = pixel * size.padded + part.channel;
      const Float4 value = load<Float4>(x + at), g = gated(y, dy, at, relu);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        sum[i] += g[i];
        product[i] += g[i] * (value[i] - mean[i]);
      }
    }
  }
  writeSums(sum, product, size, sums);
}

/// grid: groups of 32 channels. dw and db, and the coefficients A, B, C [3][padded]; the mean and the deviation are
/// constants where the running statistics were used, and B = C = 0.
SPINEGRAD_KERNEL(batchNorm2d_coefficients, 256,
                 (BatchNorm2dSums sums, BatchNorm2dChannels channels, BatchNorm2dSize size, int32_t throughStatistics,
                  float* dw, float* db, float* coefficients)) {
  const int32_t channel = blockIdx.x * 32 + laneId();
  const Pair total = addChunks(sums, channel, size.padded);
  if (warpId() != 0 || channel >= size.padded) return;
  float a = 0, b = 0, c = 0;
  if (channel < size.channels) {
    const float inverse = channels.inverseDeviation[channel];
    const double weightGradient = total.second * inverse, count = static_cast<double>(size.pixels);
    a = channels.weight[channel] * inverse;
    if (throughStatistics) {
      b = static_cast<float>(-a * weightGradient * inverse / count);
      c = static_cast<float>(-a * total.first / count);
    }
    dw[channel] = static_cast<float>(weightGradient);
    db[channel] = static_cast<float>(total.first);
  }
  coefficients[channel] = a;
  coefficients[size.padded + channel] = b;
  coefficients[2 * size.padded + channel] = c;
}

/// `dr`, the residual's gradient, may be null.
SPINEGRAD_KERNEL(batchNorm2d_gradient, SPINEGRAD_BOUNDS(256, 4),
                 (const float* __restrict__ x, const float* __restrict__ y, const float* __restrict__ dy,
                  const float* means, const float* coefficients, BatchNorm2dSize size, int32_t relu,
                  float* __restrict__ dx, float* __restrict__ dr)) {
  const Part part(size);
  if (part.first >= part.end) return;
  const Float4 mean = loadFour(means, part.channel, size.channels);
  const Float4 a = load<Float4>(coefficients + part.channel);
  const Float4 b = load<Float4>(coefficients + size.padded + part.channel);
  const Float4 c = load<Float4>(coefficients + 2 * size.padded + part.channel);
#pragma unroll 2
  for (int64_t pixel = part.first; pixel < part.end; pixel += pixelRows) {
    const int64_t at = pixel * size.padded + part.channel;
    const Float4 value = load<Float4>(x + at), g = gated(y, dy, at, relu);
    Float4 to;
#pragma unroll
    for (int i = 0; i < 4; ++i) to[i] = a[i] * g[i] + b[i] * (value[i] - mean[i]) + c[i];
    store(dx + at, to);
    if (dr != nullptr) store(dr + at, g);
  }
}
