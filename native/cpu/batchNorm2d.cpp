// batchNorm2d over channel-blocked images, fused with the sum of a residual and a ReLU.
//
// Forward reads x twice (statistics, then y) and writes y once: with r the residual,
//   y = relu(scale (x - mean) + bias + r),  scale = weight / sqrt(variance + eps).
// The statistics are sums of x less the channel's first value: near enough to the mean for the difference of squares
// to lose no digits.
// Backward, with g = dy where y > 0 (or dy), reads x, y, dy for the two sums
//   db = sum g,  dw = sum g (x - mean) / deviation,
// then once more for  dx = A g + B (x - mean) + C  per channel:
//   A = scale,  B = -scale dw / (M deviation),  C = -scale db / M   (M values a channel).
// Sums run in float within a row of the image and in double over rows and images, each image on its own and then in
// order, so the result does not depend on the number of threads.

#include <cmath>
#include <vector>

#include "native/cpu/device.h"
#include "native/cpu/planes.h"
#include "native/cpu/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

constexpr int64_t maxBlock = 16;

// The leaves: `count` pixels of `block` channels each, one value a channel in the small arrays. The inner loop over a
// constant number of lanes becomes one vector instruction; left to itself, GCC unrolls it and vectorises over pixels,
// which takes two to four times as long. Values are loaded on both sides of a choice, as a vector needs them.

template <int64_t block>
inline __attribute__((always_inline)) void sumsLoop(const float* x, const float* shift, int64_t count, float* sum,
                                                    float* squares) {
  float s[block] = {}, q[block] = {};
  for (int64_t i = 0; i < count; ++i) {
#pragma omp simd
    for (int64_t lane = 0; lane < block; ++lane) {
      const float value = x[i * block + lane] - shift[lane];
      s[lane] += value;
      q[lane] += value * value;
    }
  }
  for (int64_t lane = 0; lane < block; ++lane) {
    sum[lane] = s[lane];
    squares[lane] = q[lane];
  }
}

template <int64_t block>
inline __attribute__((always_inline)) void normalizeLoop(const float* x, const float* residual, const float* mean,
                                                         const float* scale, const float* bias, bool relu,
                                                         int64_t count, float* y) {
  for (int64_t i = 0; i < count; ++i) {
#pragma omp simd
    for (int64_t lane = 0; lane < block; ++lane) {
      float value = (x[i * block + lane] - mean[lane]) * scale[lane] + bias[lane];
      if (residual != nullptr) value += residual[i * block + lane];
      y[i * block + lane] = relu && value < 0 ? 0 : value;
    }
  }
}

template <int64_t block>
inline __attribute__((always_inline)) void gradientSumsLoop(const float* x, const float* y, const float* dy,
                                                            const float* mean, bool relu, int64_t count, float* sum,
                                                            float* product) {
  float s[block] = {}, p[block] = {};
  for (int64_t i = 0; i < count; ++i) {
#pragma omp simd
    for (int64_t lane = 0; lane < block; ++lane) {
      const float gradient = dy[i * block + lane];
      const bool passes = (y[i * block + lane] > 0) | !relu;
      const float g = passes ? gradient : 0;
      s[lane] += g;
      p[lane] += g * (x[i * block + lane] - mean[lane]);
    }
  }
  for (int64_t lane = 0; lane < block; ++lane) {
    sum[lane] = s[lane];
    product[lane] = p[lane];
  }
}

template <int64_t block>
inline __attribute__((always_inline)) void gradientLoop(const float* x, const float* y, const float* dy,
                                                        const float* mean, const float* a, const float* b,
                                                        const float* c, bool relu, int64_t count, float* dx,
                                                        float* dr) {
  for (int64_t i = 0; i < count; ++i) {
#pragma omp simd
    for (int64_t lane = 0; lane < block; ++lane) {
      const float gradient = dy[i * block + lane];
      const bool passes = (y[i * block + lane] > 0) | !relu;
      const float g = passes ? gradient : 0;
      dx[i * block + lane] = a[lane] * g + b[lane] * (x[i * block + lane] - mean[lane]) + c[lane];
      if (dr != nullptr) dr[i * block + lane] = g;
    }
  }
}

SPINEGRAD_SIMD void sumsRow(int64_t block, const float* x, const float* shift, int64_t count, float* sum,
                            float* squares) {
  block == 16 ? sumsLoop<16>(x, shift, count, sum, squares) : sumsLoop<8>(x, shift, count, sum, squares);
}

SPINEGRAD_SIMD void normalizeRow(int64_t block, const float* x, const float* residual, const float* mean,
                                 const float* scale, const float* bias, bool relu, int64_t count, float* y) {
  block == 16 ? normalizeLoop<16>(x, residual, mean, scale, bias, relu, count, y)
              : normalizeLoop<8>(x, residual, mean, scale, bias, relu, count, y);
}

SPINEGRAD_SIMD void gradientSumsRow(int64_t block, const float* x, const float* y, const float* dy, const float* mean,
                                    bool relu, int64_t count, float* sum, float* product) {
  block == 16 ? gradientSumsLoop<16>(x, y, dy, mean, relu, count, sum, product)
              : gradientSumsLoop<8>(x, y, dy, mean, relu, count, sum, product);
}

SPINEGRAD_SIMD void gradientRow(int64_t block, const float* x, const float* y, const float* dy, const float* mean,
                                const float* a, const float* b, const float* c, bool relu, int64_t count, float* dx,
                                float* dr) {
  block == 16 ? gradientLoop<16>(x, y, dy, mean, a, b, c, relu, count, dx, dr)
              : gradientLoop<8>(x, y, dy, mean, a, b, c, relu, count, dx, dr);
}

/// One value a channel, zero in the padding lanes.
std::vector<float> channelValues(Tensor& tensor, const Planes& planes) {
  std::vector<float> values(planes.groups * planes.block, 0.0f);
  std::copy_n(read<float>(tensor), planes.channels, values.begin());
  return values;
}

/// Two sums a channel over images and pixels: leaf(image, group, first pixel, count, partial, partial).
template <class Leaf>
void channelSums(const Planes& planes, Leaf leaf, std::vector<double>& first, std::vector<double>& second) {
  const int64_t lanes = planes.groups * planes.block;
  std::vector<double> partial(planes.images * lanes * 2);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t image = 0; image < planes.images; ++image) {
    for (int64_t group = 0; group < planes.groups; ++group) {
      double* sums = partial.data() + (image * lanes + group * planes.block) * 2;
      for (int64_t row = 0; row < planes.height; ++row) {
        float a[maxBlock], b[maxBlock];
        leaf(image, group, planes.offset(image, group) + row * planes.width * planes.block, planes.width, a, b);
        for (int64_t lane = 0; lane < planes.block; ++lane) {
          sums[lane * 2] += a[lane];
          sums[lane * 2 + 1] += b[lane];
        }
      }
    }
  }
  first.assign(lanes, 0.0);
  second.assign(lanes, 0.0);
  for (int64_t image = 0; image < planes.images; ++image) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      first[lane] += partial[(image * lanes + lane) * 2];
      second[lane] += partial[(image * lanes + lane) * 2 + 1];
    }
  }
}

/// Calls leaf(group, offset, pixels) for each group of each image, in parallel.
template <class Leaf>
void eachPlane(const Planes& planes, Leaf leaf) {
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t image = 0; image < planes.images; ++image) {
    for (int64_t group = 0; group < planes.groups; ++group) leaf(group, planes.offset(image, group), planes.pixels());
  }
}

/// Inputs: x, weight, bias, running mean, running variance, residual or none. Outputs: y, mean, 1 / deviation.
void normalize(const Call& call, const Planes& planes, const std::vector<float>& mean,
               const std::vector<float>& inverseDeviation) {
  const auto desc = channelBlocked(call.in(0).shape);
  const bool relu = BatchNorm2dAttributes(call).relu;
  const float* x = read(call.in(0), desc);
  const float* residual = call.hasIn(5) ? read(call.in(5), desc) : nullptr;
  float* y = write(call.out(0), desc);
  std::vector<float> scale = channelValues(call.in(1), planes);
  const std::vector<float> bias = channelValues(call.in(2), planes);
  for (size_t lane = 0; lane < scale.size(); ++lane) scale[lane] *= inverseDeviation[lane];
  eachPlane(planes, [&](int64_t group, int64_t offset, int64_t pixels) {
    const int64_t channel = group * planes.block;
    normalizeRow(planes.block, x + offset, residual == nullptr ? nullptr : residual + offset, mean.data() + channel,
                 scale.data() + channel, bias.data() + channel, relu, pixels, y + offset);
  });
  std::copy_n(mean.begin(), planes.channels, write<float>(call.out(1)));
  std::copy_n(inverseDeviation.begin(), planes.channels, write<float>(call.out(2)));
}

/// Training: statistics of the batch, and the running ones (outputs 3 and 4) moved towards them.
void forward(const Call& call) {
  const Planes planes(call.in(0).shape);
  const BatchNorm2dAttributes attributes(call);
  const float* x = read(call.in(0), channelBlocked(call.in(0).shape));
  std::vector<float> origin(planes.groups * planes.block);
  for (int64_t group = 0; group < planes.groups; ++group) {
    std::copy_n(x + planes.offset(0, group), planes.block, origin.begin() + group * planes.block);
  }
  std::vector<double> sum, squares;
  channelSums(
      planes,
      [&](int64_t, int64_t group, int64_t offset, int64_t pixels, float* a, float* b) {
        sumsRow(planes.block, x + offset, origin.data() + group * planes.block, pixels, a, b);
      },
      sum, squares);
  const double count = static_cast<double>(planes.images * planes.pixels());
  std::vector<float> mean(sum.size()), inverseDeviation(sum.size());
  float* runningMean = read<float>(call.out(3));
  float* runningVariance = read<float>(call.out(4));
  for (size_t lane = 0; lane < sum.size(); ++lane) {
    const double shifted = sum[lane] / count;
    const double variance = std::max(squares[lane] / count - shifted * shifted, 0.0);
    mean[lane] = static_cast<float>(shifted + origin[lane]);
    inverseDeviation[lane] = static_cast<float>(1 / std::sqrt(variance + attributes.eps));
    if (static_cast<int64_t>(lane) >= planes.channels) continue;
    const double unbiased = variance * count / (count - 1);
    runningMean[lane] += static_cast<float>(attributes.momentum * (shifted + origin[lane] - runningMean[lane]));
    runningVariance[lane] += static_cast<float>(attributes.momentum * (unbiased - runningVariance[lane]));
  }
  normalize(call, planes, mean, inverseDeviation);
}

void evaluate(const Call& call) {
  const Planes planes(call.in(0).shape);
  const double eps = BatchNorm2dAttributes(call).eps;
  const std::vector<float> mean = channelValues(call.in(3), planes);
  std::vector<float> inverseDeviation = channelValues(call.in(4), planes);
  for (float& value : inverseDeviation) value = static_cast<float>(1 / std::sqrt(value + eps));
  normalize(call, planes, mean, inverseDeviation);
}

/// Inputs: x, y, dy, weight, mean, 1 / deviation. Outputs: dx, dw, db, and dr where a residual wants it.
void gradient(const Call& call, bool throughStatistics) {
  const Planes planes(call.in(0).shape);
  const auto desc = channelBlocked(call.in(0).shape);
  const bool relu = BatchNorm2dAttributes(call).relu;
  const float* x = read(call.in(0), desc);
  const float* y = read(call.in(1), desc);
  const float* dy = read(call.in(2), desc);
  const std::vector<float> mean = channelValues(call.in(4), planes);
  const std::vector<float> inverseDeviation = channelValues(call.in(5), planes);
  std::vector<double> sum, product;
  channelSums(
      planes,
      [&](int64_t, int64_t group, int64_t offset, int64_t pixels, float* a, float* b) {
        gradientSumsRow(planes.block, x + offset, y + offset, dy + offset, mean.data() + group * planes.block, relu,
                        pixels, a, b);
      },
      sum, product);
  const double count = static_cast<double>(planes.images * planes.pixels());
  std::vector<float> a = channelValues(call.in(3), planes), b(a.size(), 0.0f), c(a.size(), 0.0f);
  float* dw = write<float>(call.out(1));
  float* db = write<float>(call.out(2));
  for (size_t lane = 0; lane < a.size(); ++lane) {
    a[lane] *= inverseDeviation[lane];
    const double weightGradient = product[lane] * inverseDeviation[lane];
    if (throughStatistics) {
      b[lane] = static_cast<float>(-a[lane] * weightGradient * inverseDeviation[lane] / count);
      c[lane] = static_cast<float>(-a[lane] * sum[lane] / count);
    }
    if (static_cast<int64_t>(lane) >= planes.channels) continue;
    dw[lane] = static_cast<float>(weightGradient);
    db[lane] = static_cast<float>(sum[lane]);
  }
  float* dx = write(call.out(0), desc);
  float* dr = call.hasOut(3) ? write(call.out(3), desc) : nullptr;
  eachPlane(planes, [&](int64_t group, int64_t offset, int64_t pixels) {
    const int64_t channel = group * planes.block;
    gradientRow(planes.block, x + offset, y + offset, dy + offset, mean.data() + channel, a.data() + channel,
                b.data() + channel, c.data() + channel, relu, pixels, dx + offset,
                dr == nullptr ? nullptr : dr + offset);
  });
}

void backward(const Call& call) { gradient(call, true); }
void evaluateBackward(const Call& call) { gradient(call, false); }

const Register registerForward("batchNorm2d.forward", forward);
const Register registerEvaluate("batchNorm2d.evaluate", evaluate);
const Register registerBackward("batchNorm2d.backward", backward);
const Register registerEvaluateBackward("batchNorm2d.evaluateBackward", evaluateBackward);

}  // namespace
}  // namespace spinegrad::cpu
