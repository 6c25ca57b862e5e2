// batchNorm2d over channel-blocked images, fused with the sum of a residual and a ReLU.
//
// Forward reads x twice (statistics, then y) and writes y once: with r the residual,
//   y = relu(scale (x - mean) + bias + r),  scale = weight / sqrt(variance + eps).
// The statistics are sums of x less the channel's first value: near enough to the mean for the difference of squares
// to lose no digits.
// Backward, with g = dy where y > 0 (or dy), reads x and dy for the two sums
//   db = sum g,  dw = sum g (x - mean) / deviation,
// then once more for  dx = A g + B (x - mean) + C  per channel:
//   A = scale,  B = -scale dw / (M deviation),  C = -scale db / M   (M values a channel).
// Without a residual the sign of y is computed again from x. With one, y is read, and the first pass writes g, which
// is the residual's gradient, for the second to read.
//
// All of it is bound by memory, so a thread takes some groups of channels of all images where there are enough of them:
// its second pass finds in the cache what the first read, last image first. Sums run in float over at most 64 pixels
// and in double over these and the images, each image on its own and then in order, so the result does not depend on
// the threads.

#include <omp.h>

#include <cmath>
#include <vector>

#include "native/cpu/ops/planes.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/lanes.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

constexpr int64_t maxBlock = 16;

/// Adds up the two values a channel that pair(pixel, sum, sum) adds, over a plane: first sums of all lanes, then
/// second.
template <int64_t block, class Pair>
SPINEGRAD_INLINE void twoSums(int64_t pixels, double* sums, Pair pair) {
  constexpr int64_t stretch = 64;
  typename LanesOf<block>::Doubles first{}, second{};
  for (int64_t begin = 0; begin < pixels; begin += stretch) {
    const int64_t end = std::min(begin + stretch, pixels);
    // Four sums each, since an addition waits for the one before.
    Lanes<block> a0{}, a1{}, a2{}, a3{}, b0{}, b1{}, b2{}, b3{};
    int64_t i = begin;
    for (; i + 4 <= end; i += 4) {
      pair(i, a0, b0);
      pair(i + 1, a1, b1);
      pair(i + 2, a2, b2);
      pair(i + 3, a3, b3);
    }
    for (; i < end; ++i) pair(i, a0, b0);
    first += __builtin_convertvector((a0 + a1) + (a2 + a3), typename LanesOf<block>::Doubles);
    second += __builtin_convertvector((b0 + b1) + (b2 + b3), typename LanesOf<block>::Doubles);
  }
  for (int64_t lane = 0; lane < block; ++lane) {
    sums[lane] = first[lane];
    sums[block + lane] = second[lane];
  }
}

template <int64_t block>
SPINEGRAD_INLINE void sumsLoop(const float* x, const float* shift, int64_t pixels, double* sums) {
  const Lanes<block> origin = lanesAt<block>(shift, 0);
  twoSums<block>(pixels, sums, [=](int64_t i, Lanes<block>& sum, Lanes<block>& squares) SPINEGRAD_LAMBDA {
    const Lanes<block> value = lanesAt<block>(x, i) - origin;
    sum += value;
    squares += value * value;
  });
}

/// The constants of a group's channels.
struct Constants {
  const float *mean, *scale, *bias;
};

template <int64_t block>
SPINEGRAD_INLINE void normalizeLoop(const float* x, const float* residual, Constants constants, bool relu,
                                    int64_t pixels, float* y) {
  const Lanes<block> mean = lanesAt<block>(constants.mean, 0), scale = lanesAt<block>(constants.scale, 0),
                     bias = lanesAt<block>(constants.bias, 0);
  for (int64_t i = 0; i < pixels; ++i) {
    Lanes<block> value = (lanesAt<block>(x, i) - mean) * scale + bias;
    if (residual != nullptr) value += lanesAt<block>(residual, i);
    if (relu) value = value < 0.0f ? Lanes<block>{} : value;
    lanesAt<block>(y, i) = value;
  }
}

/// How the sign of y is known behind a ReLU.
enum class Relu { none, fromX, fromY };

/// What backward reads of a plane.
struct Plane {
  const float *x, *y, *dy;
  int64_t pixels;
};

/// g at pixel i.
template <int64_t block, Relu relu>
SPINEGRAD_INLINE auto gradientBehindRelu(const Plane& plane, Constants constants) {
  const Lanes<block> mean = lanesAt<block>(constants.mean, 0), scale = lanesAt<block>(constants.scale, 0),
                     bias = lanesAt<block>(constants.bias, 0);
  return [=, x = plane.x, y = plane.y, dy = plane.dy](int64_t i) SPINEGRAD_LAMBDA {
    const Lanes<block> gradient = lanesAt<block>(dy, i);
    if constexpr (relu == Relu::none) return gradient;
    const Lanes<block> sign = relu == Relu::fromX ? (lanesAt<block>(x, i) - mean) * scale + bias : lanesAt<block>(y, i);
    return sign > 0.0f ? gradient : Lanes<block>{};
  };
}

/// `dr` may be null; else it becomes g.
template <int64_t block, Relu relu>
SPINEGRAD_INLINE void gradientSumsLoop(const Plane& plane, Constants constants, double* sums, float* dr) {
  const auto gradientAt = gradientBehindRelu<block, relu>(plane, constants);
  const Lanes<block> mean = lanesAt<block>(constants.mean, 0);
  twoSums<block>(plane.pixels, sums,
                 [=, x = plane.x](int64_t i, Lanes<block>& sum, Lanes<block>& product) SPINEGRAD_LAMBDA {
                   const Lanes<block> g = gradientAt(i);
                   sum += g;
                   product += g * (lanesAt<block>(x, i) - mean);
                   if (dr != nullptr) lanesAt<block>(dr, i) = g;
                 });
}

/// A, B and C of a group's channels.
struct Coefficients {
  const float *a, *b, *c;
};

template <int64_t block, Relu relu>
SPINEGRAD_INLINE void gradientLoop(const Plane& plane, Constants constants, Coefficients coefficients, float* dx) {
  const auto gradientAt = gradientBehindRelu<block, relu>(plane, constants);
  const Lanes<block> mean = lanesAt<block>(constants.mean, 0), a = lanesAt<block>(coefficients.a, 0),
                     b = lanesAt<block>(coefficients.b, 0), c = lanesAt<block>(coefficients.c, 0);
  for (int64_t i = 0; i < plane.pixels; ++i) {
    lanesAt<block>(dx, i) = a * gradientAt(i) + (b * (lanesAt<block>(plane.x, i) - mean) + c);
  }
}

SPINEGRAD_SIMD void sumsOf(int64_t block, const float* x, const float* shift, int64_t pixels, double* sums) {
  block == 16 ? sumsLoop<16>(x, shift, pixels, sums) : sumsLoop<8>(x, shift, pixels, sums);
}

SPINEGRAD_SIMD void normalizePlane(int64_t block, const float* x, const float* residual, Constants constants, bool relu,
                                   int64_t pixels, float* y) {
  block == 16 ? normalizeLoop<16>(x, residual, constants, relu, pixels, y)
              : normalizeLoop<8>(x, residual, constants, relu, pixels, y);
}

template <int64_t block>
SPINEGRAD_INLINE void gradientSumsBy(Relu relu, const Plane& plane, Constants constants, double* sums, float* dr) {
  if (relu == Relu::none) return gradientSumsLoop<block, Relu::none>(plane, constants, sums, dr);
  if (relu == Relu::fromX) return gradientSumsLoop<block, Relu::fromX>(plane, constants, sums, dr);
  gradientSumsLoop<block, Relu::fromY>(plane, constants, sums, dr);
}

SPINEGRAD_SIMD void gradientSums(int64_t block, Relu relu, const Plane& plane, Constants constants, double* sums,
                                 float* dr) {
  block == 16 ? gradientSumsBy<16>(relu, plane, constants, sums, dr)
              : gradientSumsBy<8>(relu, plane, constants, sums, dr);
}

template <int64_t block>
SPINEGRAD_INLINE void gradientBy(Relu relu, const Plane& plane, Constants constants, Coefficients coefficients,
                                 float* dx) {
  if (relu == Relu::none) return gradientLoop<block, Relu::none>(plane, constants, coefficients, dx);
  if (relu == Relu::fromX) return gradientLoop<block, Relu::fromX>(plane, constants, coefficients, dx);
  gradientLoop<block, Relu::fromY>(plane, constants, coefficients, dx);
}

SPINEGRAD_SIMD void gradientPlane(int64_t block, Relu relu, const Plane& plane, Constants constants,
                                  Coefficients coefficients, float* dx) {
  block == 16 ? gradientBy<16>(relu, plane, constants, coefficients, dx)
              : gradientBy<8>(relu, plane, constants, coefficients, dx);
}

/// One value a channel, zero in the padding lanes.
std::vector<float> channelValues(Tensor& tensor, const Planes& planes) {
  std::vector<float> values(planes.groups * planes.block, 0.0f);
  std::copy_n(read<float>(tensor), planes.channels, values.begin());
  return values;
}

/// Runs sums(image, group, two doubles a channel) for all planes; finish(first channel, two totals a channel) when a
/// group has all of its sums; and then apply(image, group).
template <class Sums, class Finish, class Apply>
void inTwoPasses(const Planes& planes, Sums sums, Finish finish, Apply apply) {
  const int64_t width = 2 * planes.block;
  const Workspace<double> partial(static_cast<size_t>(planes.images * planes.groups * width));
  const auto partialOf = [&](int64_t image, int64_t group) {
    return partial.data() + (group * planes.images + image) * width;
  };
  const auto finishGroup = [&](int64_t group) {
    double total[2 * maxBlock] = {};
    for (int64_t image = 0; image < planes.images; ++image) {
      for (int64_t i = 0; i < width; ++i) total[i] += partialOf(image, group)[i];
    }
    finish(group * planes.block, total, total + planes.block);
  };
  const int64_t threads = omp_get_max_threads();
  if (planes.groups >= threads) {
    constexpr int64_t cached = 65536;  // values of x that stay in a core's own cache
    const int64_t fitting = std::max<int64_t>(cached / (planes.images * planes.size()), 1);
    const int64_t together = std::min(fitting, planes.groups / threads);
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < planes.groups; first += together) {
      const int64_t last = std::min(first + together, planes.groups);
      for (int64_t image = 0; image < planes.images; ++image) {
        for (int64_t group = first; group < last; ++group) sums(image, group, partialOf(image, group));
      }
      for (int64_t group = first; group < last; ++group) finishGroup(group);
      for (int64_t image = planes.images; image-- > 0;) {
        for (int64_t group = first; group < last; ++group) apply(image, group);
      }
    }
    return;
  }
#pragma omp parallel
  {
#pragma omp for collapse(2) schedule(static)
    for (int64_t group = 0; group < planes.groups; ++group) {
      for (int64_t image = 0; image < planes.images; ++image) sums(image, group, partialOf(image, group));
    }
#pragma omp for schedule(static)
    for (int64_t group = 0; group < planes.groups; ++group) finishGroup(group);
#pragma omp for collapse(2) schedule(static)
    for (int64_t group = 0; group < planes.groups; ++group) {
      for (int64_t image = 0; image < planes.images; ++image) apply(image, group);
    }
  }
}

/// What forward and inference share.
class Normalization {
 public:
  template <class Op>
  explicit Normalization(const Op& op)
      : planes(op.x.shape),
        mean(planes.groups * planes.block),
        inverseDeviation(mean.size()),
        x(read(op.x, channelBlocked(op.x.shape))),
        meanTensor_(op.mean),
        inverseDeviationTensor_(op.inverseDeviation),
        scale_(channelValues(op.weight, planes)),
        bias_(channelValues(op.bias, planes)),
        residual_(op.residual != nullptr ? read(*op.residual, channelBlocked(op.x.shape)) : nullptr),
        relu_(op.relu),
        y_(write(op.y, channelBlocked(op.x.shape))) {}

  void setScale(size_t lane) { scale_[lane] *= inverseDeviation[lane]; }

  void apply(int64_t image, int64_t group) const {
    const int64_t channel = group * planes.block, offset = planes.offset(image, group);
    normalizePlane(planes.block, x + offset, residual_ == nullptr ? nullptr : residual_ + offset,
                   {mean.data() + channel, scale_.data() + channel, bias_.data() + channel}, relu_, planes.pixels(),
                   y_ + offset);
  }

  void keepStatistics() const {
    std::copy_n(mean.begin(), planes.channels, write<float>(meanTensor_));
    std::copy_n(inverseDeviation.begin(), planes.channels, write<float>(inverseDeviationTensor_));
  }

  const Planes planes;
  std::vector<float> mean, inverseDeviation;
  const float* const x;

 private:
  Tensor &meanTensor_, &inverseDeviationTensor_;
  std::vector<float> scale_;
  const std::vector<float> bias_;
  const float* const residual_;
  const bool relu_;
  float* const y_;
};

/// Training: statistics of the batch, and the running ones moved towards them.
void forward(const BatchNorm2dForward& op) {
  Normalization norm(op);
  const Planes& planes = norm.planes;
  const double count = static_cast<double>(planes.images * planes.pixels());
  float* runningMean = read<float>(op.runningMean);
  float* runningVariance = read<float>(op.runningVariance);
  const auto originOf = [&](int64_t group) { return norm.x + planes.offset(0, group); };
  inTwoPasses(
      planes,
      [&](int64_t image, int64_t group, double* sums) {
        sumsOf(planes.block, norm.x + planes.offset(image, group), originOf(group), planes.pixels(), sums);
      },
      [&](int64_t first, const double* sum, const double* squares) {
        for (int64_t lane = 0; lane < planes.block; ++lane) {
          const int64_t channel = first + lane;
          const double shifted = sum[lane] / count, mean = shifted + originOf(first / planes.block)[lane];
          const double variance = std::max(squares[lane] / count - shifted * shifted, 0.0);
          norm.mean[channel] = static_cast<float>(mean);
          norm.inverseDeviation[channel] = static_cast<float>(1 / std::sqrt(variance + op.eps));
          norm.setScale(channel);
          if (channel >= planes.channels) continue;
          const double unbiased = variance * count / (count - 1);
          runningMean[channel] += static_cast<float>(op.momentum * (mean - runningMean[channel]));
          runningVariance[channel] += static_cast<float>(op.momentum * (unbiased - runningVariance[channel]));
        }
      },
      [&](int64_t image, int64_t group) { norm.apply(image, group); });
  norm.keepStatistics();
}

void inference(const BatchNorm2dInference& op) {
  Normalization norm(op);
  const std::vector<float> variance = channelValues(op.runningVariance, norm.planes);
  norm.mean = channelValues(op.runningMean, norm.planes);
  for (size_t lane = 0; lane < variance.size(); ++lane) {
    norm.inverseDeviation[lane] = static_cast<float>(1 / std::sqrt(variance[lane] + op.eps));
    norm.setScale(lane);
  }
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t image = 0; image < norm.planes.images; ++image) {
    for (int64_t group = 0; group < norm.planes.groups; ++group) norm.apply(image, group);
  }
  norm.keepStatistics();
}

void gradient(const BatchNorm2dBackward& op, bool throughStatistics) {
  const Planes planes(op.x.shape);
  const auto desc = channelBlocked(op.x.shape);
  const bool recomputes = op.bias != nullptr;
  const Relu relu = !op.relu ? Relu::none : recomputes ? Relu::fromX : Relu::fromY;
  const float* x = read(op.x, desc);
  const float* y = relu == Relu::fromY ? read(op.y, desc) : nullptr;
  const float* dy = read(op.dy, desc);
  const std::vector<float> mean = channelValues(op.mean, planes);
  const std::vector<float> inverseDeviation = channelValues(op.inverseDeviation, planes);
  const std::vector<float> bias = recomputes ? channelValues(*op.bias, planes) : mean;
  std::vector<float> a = channelValues(op.weight, planes), b(a.size()), c(a.size());
  for (size_t lane = 0; lane < a.size(); ++lane) a[lane] *= inverseDeviation[lane];
  const double count = static_cast<double>(planes.images * planes.pixels());
  float* dx = write(op.dx, desc);
  float* dw = write<float>(op.dw);
  float* db = write<float>(op.db);
  float* dr = op.dr != nullptr ? write(*op.dr, desc) : nullptr;
  const auto planeOf = [&](int64_t offset) {
    return Plane{x + offset, y == nullptr ? nullptr : y + offset, dy + offset, planes.pixels()};
  };
  const auto constantsOf = [&](int64_t channel) {
    return Constants{mean.data() + channel, a.data() + channel, bias.data() + channel};
  };
  inTwoPasses(
      planes,
      [&](int64_t image, int64_t group, double* sums) {
        const int64_t offset = planes.offset(image, group);
        gradientSums(planes.block, relu, planeOf(offset), constantsOf(group * planes.block), sums,
                     dr == nullptr ? nullptr : dr + offset);
      },
      [&](int64_t first, const double* sum, const double* product) {
        for (int64_t lane = 0; lane < planes.block; ++lane) {
          const int64_t channel = first + lane;
          const double weightGradient = product[lane] * inverseDeviation[channel];
          if (throughStatistics) {
            b[channel] = static_cast<float>(-a[channel] * weightGradient * inverseDeviation[channel] / count);
            c[channel] = static_cast<float>(-a[channel] * sum[lane] / count);
          }
          if (channel >= planes.channels) continue;
          dw[channel] = static_cast<float>(weightGradient);
          db[channel] = static_cast<float>(sum[lane]);
        }
      },
      [&](int64_t image, int64_t group) {
        const int64_t offset = planes.offset(image, group), channel = group * planes.block;
        Plane plane = planeOf(offset);
        if (dr != nullptr) plane.dy = dr + offset;
        gradientPlane(planes.block, dr == nullptr ? relu : Relu::none, plane, constantsOf(channel),
                      {a.data() + channel, b.data() + channel, c.data() + channel}, dx + offset);
      });
}

void backward(const BatchNorm2dBackward& op) { gradient(op, true); }
void inferenceBackward(const BatchNorm2dBackward& op) { gradient(op, false); }

const Register<forward> registerForward("batchNorm2d.forward");
const Register<inference> registerInference("batchNorm2d.inference");
const Register<backward> registerBackward("batchNorm2d.backward");
const Register<inferenceBackward> registerInferenceBackward("batchNorm2d.inferenceBackward");

}  // namespace
}  // namespace spinegrad::cpu
