// batchNorm2d over channels-last images, fused with the addition of a residual and a ReLU. With M pixels per channel:
//
//   forward    sums of x - origin and of its square, where origin is the channel's first value: it is close enough to
//              the mean for the difference of squares to stay accurate; y = relu(scale (x - mean) + bias + residual)
//   backward   g = dy where y > 0 (without ReLU g = dy);  db = sum g,  dw = sum g (x - mean) / deviation;
//              dx = A g + B (x - mean) + C with one A, B, C per channel, and g itself for the residual
//
// Only the mean and 1 / deviation are kept between the passes, so memory is the bound: forward moves 12 bytes per value
// (x twice, y), backward 28 (x, y and dy twice, dx), each 4 more with a residual.
#include "kernels/batchNorm2d.h"
#include "kernels/lib/kernel.cuh"
#include "kernels/lib/vector.cuh"

namespace {

// A block of 256 threads is 8 lanes of 4 channels by 32 pixels, so a warp reads four whole lines of 128 bytes. The
// constants of a thread's channels stay in registers.
//
// Sums have a fixed order. A thread adds at most 64 values in float; the rest is in double: four pixels of a warp,
// eight warps of a block, then the chunks, which a second kernel adds.
constexpr int lanes = 8;
constexpr int pixelRows = 32;
constexpr int channelsPerBlock = 4 * lanes;

/// The work of one thread: four channels from `channel`, and every 32nd pixel in [first, end).
struct ThreadRange {
  int32_t channel;
  int64_t first, end;

  __device__ __forceinline__ explicit ThreadRange(const BatchNorm2dSize& size)
      : channel(blockIdx.y * channelsPerBlock + threadIdx.x % lanes * 4),
        first(int64_t(blockIdx.x) * pixelRows * size.pixelsPerThread + threadIdx.x / lanes),
        end(min(size.pixels, int64_t(blockIdx.x + 1) * pixelRows * size.pixelsPerThread)) {
    if (channel >= size.paddedChannels) end = 0;
  }
};

/// g: dy, zero where the ReLU cut y off.
__device__ __forceinline__ Float4 reluGradient(const float* y, const float* dy, int64_t at, int32_t relu) {
  Float4 g = load<Float4>(dy + at);
  if (relu) {
    const Float4 kept = load<Float4>(y + at);
#pragma unroll
    for (int i = 0; i < 4; ++i) g[i] = kept[i] > 0 ? g[i] : 0.0f;
  }
  return g;
}

/// Adds the sums of the block's threads and writes them as the sums of its chunk.
__device__ __forceinline__ void writeSums(const Float4& first, const Float4& second, const BatchNorm2dSize& size,
                                          double* sums) {
  SPINEGRAD_SHARED(double[8][2][channelsPerBlock], partial);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    double pair[2] = {first[i], second[i]};
#pragma unroll
    for (int index = 0; index < 2; ++index) {
#pragma unroll
      for (int step = lanes; step < 32; step *= 2) pair[index] += __shfl_xor_sync(0xffffffffu, pair[index], step);
      if (laneId() < lanes) partial[warpId()][index][4 * laneId() + i] = pair[index];
    }
  }
  __syncthreads();
  const int index = threadIdx.x / channelsPerBlock, lane = threadIdx.x % channelsPerBlock;
  const int32_t channel = blockIdx.y * channelsPerBlock + lane;
  if (index > 1 || channel >= size.paddedChannels) return;
  double total = 0;
#pragma unroll
  for (int warp = 0; warp < 8; ++warp) total += partial[warp][index][lane];
  sums[(int64_t(blockIdx.x) * 2 + index) * size.paddedChannels + channel] = total;
}

struct SumPair {
  double first, second;
};

/// Adds the chunks of one channel per lane: warp w adds chunks w, w + 8, ..., and the first warp adds the eight results
/// in order. Only the first warp gets the total.
__device__ __forceinline__ SumPair addChunks(const BatchNorm2dSums& from, int32_t channel, int32_t paddedChannels) {
  SPINEGRAD_SHARED(SumPair[8][32], partial);
  SumPair total = {0, 0};
  if (channel < paddedChannels) {
    for (int64_t chunk = warpId(); chunk < from.chunks; chunk += 8) {
      total.first += from.sums[chunk * 2 * paddedChannels + channel];
      total.second += from.sums[(chunk * 2 + 1) * paddedChannels + channel];
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

/// grid: chunks, groups of 32 channels. All kernels over pixels in this file use this grid.
SPINEGRAD_KERNEL(batchNorm2d_sums, 256, (const float* __restrict__ x, BatchNorm2dSize size, double* sums)) {
  const ThreadRange range(size);
  Float4 sum = {}, squares = {};
  if (range.first < range.end) {
    const Float4 origin = load<Float4>(x + range.channel);
#pragma unroll 4
    for (int64_t pixel = range.first; pixel < range.end; pixel += pixelRows) {
      const Float4 value = load<Float4>(x + pixel * size.paddedChannels + range.channel);
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

/// The same sums from the statistics that a convolution computed for groups of its pixels (lib/moments.cuh). Forward
/// then reads x once and moves 8 bytes per value. With n_g pixels, mean m_g and squares q_g of group g,
///
///   sum (x - origin) = sum_g n_g (m_g - origin)        sum (x - origin)^2 = sum_g q_g + n_g (m_g - origin)^2
///
/// `size.pixels` is the number of groups.
SPINEGRAD_KERNEL(batchNorm2d_mergeStatistics, 256,
                 (ChannelStatistics statistics, const float* x, BatchNorm2dSize size, double* sums)) {
  const ThreadRange range(size);
  Float4 sum = {}, squares = {};
  if (range.first < range.end) {
    const Float4 origin = load<Float4>(x + range.channel);
#pragma unroll 2
    for (int64_t group = range.first; group < range.end; group += pixelRows) {
      const float count = statistics.counts[group];
      if (count == 0) continue;
      const int64_t at = group * size.paddedChannels + range.channel;
      const Float4 mean = load<Float4>(statistics.means + at), square = load<Float4>(statistics.squares + at);
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

/// Computes mean and 1 / deviation of the batch and updates the running statistics. grid: groups of 32 channels.
SPINEGRAD_KERNEL(batchNorm2d_statistics, 256,
                 (BatchNorm2dSums sums, const float* x, BatchNorm2dSize size, double eps, BatchNorm2dRunning running,
                  float* mean, float* inverseDeviation)) {
  const int32_t channel = blockIdx.x * 32 + laneId();
  const SumPair total = addChunks(sums, channel, size.paddedChannels);
  if (warpId() != 0 || channel >= size.channels) return;
  const double count = static_cast<double>(size.pixels), shifted = total.first / count;
  const double variance = fmax(total.second / count - shifted * shifted, 0.0);
  const double unbiased = variance * count / (count - 1), average = shifted + x[channel];
  mean[channel] = static_cast<float>(average);
  inverseDeviation[channel] = static_cast<float>(1 / sqrt(variance + eps));
  running.mean[channel] += static_cast<float>(running.momentum * (average - running.mean[channel]));
  running.variance[channel] += static_cast<float>(running.momentum * (unbiased - running.variance[channel]));
}

/// Computes mean and 1 / deviation from the running statistics, which do not change.
SPINEGRAD_KERNEL(batchNorm2d_running, 256,
                 (const float* runningMean, const float* runningVariance, int32_t channels, double eps, float* mean,
                  float* inverseDeviation)) {
  for (int64_t channel = globalThread(); channel < channels; channel += gridThreads()) {
    mean[channel] = runningMean[channel];
    inverseDeviation[channel] = static_cast<float>(1 / sqrt(runningVariance[channel] + eps));
  }
}

SPINEGRAD_KERNEL(batchNorm2d_normalize, 256,
                 (const float* __restrict__ x, const float* __restrict__ residual, BatchNorm2dChannels channels,
                  BatchNorm2dSize size, int32_t relu, float* __restrict__ y)) {
  const ThreadRange range(size);
  if (range.first >= range.end) return;
  const Float4 mean = loadFour(channels.mean, range.channel, size.channels);
  const Float4 bias = loadFour(channels.bias, range.channel, size.channels);
  const Float4 weight = loadFour(channels.weight, range.channel, size.channels);
  Float4 scale = loadFour(channels.inverseDeviation, range.channel, size.channels);
#pragma unroll
  for (int i = 0; i < 4; ++i) scale[i] *= weight[i];
#pragma unroll 4
  for (int64_t pixel = range.first; pixel < range.end; pixel += pixelRows) {
    const int64_t at = pixel * size.paddedChannels + range.channel;
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
  const ThreadRange range(size);
  Float4 sum = {}, product = {};
  if (range.first < range.end) {
    const Float4 mean = loadFour(means, range.channel, size.channels);
#pragma unroll 2
    for (int64_t pixel = range.first; pixel < range.end; pixel += pixelRows) {
      const int64_t at = pixel * size.paddedChannels + range.channel;
      const Float4 value = load<Float4>(x + at), g = reluGradient(y, dy, at, relu);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        sum[i] += g[i];
        product[i] += g[i] * (value[i] - mean[i]);
      }
    }
  }
  writeSums(sum, product, size, sums);
}

/// Computes dw, db and the coefficients A, B, C [3][paddedChannels]. If the forward pass used the running statistics,
/// mean and deviation do not depend on x, and B = C = 0. grid: groups of 32 channels.
SPINEGRAD_KERNEL(batchNorm2d_coefficients, 256,
                 (BatchNorm2dSums sums, BatchNorm2dChannels channels, BatchNorm2dSize size, int32_t batchStatistics,
                  float* dw, float* db, float* coefficients)) {
  const int32_t channel = blockIdx.x * 32 + laneId();
  const SumPair total = addChunks(sums, channel, size.paddedChannels);
  if (warpId() != 0 || channel >= size.paddedChannels) return;
  float a = 0, b = 0, c = 0;
  if (channel < size.channels) {
    const float inverse = channels.inverseDeviation[channel];
    const double weightGradient = total.second * inverse, count = static_cast<double>(size.pixels);
    a = channels.weight[channel] * inverse;
    if (batchStatistics) {
      b = static_cast<float>(-a * weightGradient * inverse / count);
      c = static_cast<float>(-a * total.first / count);
    }
    dw[channel] = static_cast<float>(weightGradient);
    db[channel] = static_cast<float>(total.first);
  }
  coefficients[channel] = a;
  coefficients[size.paddedChannels + channel] = b;
  coefficients[2 * size.paddedChannels + channel] = c;
}

/// `dr`, the gradient of the residual, may be null.
SPINEGRAD_KERNEL(batchNorm2d_gradient, SPINEGRAD_BOUNDS(256, 4),
                 (const float* __restrict__ x, const float* __restrict__ y, const float* __restrict__ dy,
                  const float* means, const float* coefficients, BatchNorm2dSize size, int32_t relu,
                  float* __restrict__ dx, float* __restrict__ dr)) {
  const ThreadRange range(size);
  if (range.first >= range.end) return;
  const Float4 mean = loadFour(means, range.channel, size.channels);
  const Float4 a = load<Float4>(coefficients + range.channel);
  const Float4 b = load<Float4>(coefficients + size.paddedChannels + range.channel);
  const Float4 c = load<Float4>(coefficients + 2 * size.paddedChannels + range.channel);
#pragma unroll 2
  for (int64_t pixel = range.first; pixel < range.end; pixel += pixelRows) {
    const int64_t at = pixel * size.paddedChannels + range.channel;
    const Float4 value = load<Float4>(x + at), g = reluGradient(y, dy, at, relu);
    Float4 to;
#pragma unroll
    for (int i = 0; i < 4; ++i) to[i] = a[i] * g[i] + b[i] * (value[i] - mean[i]) + c[i];
    store(dx + at, to);
    if (dr != nullptr) store(dr + at, g);
  }
}
