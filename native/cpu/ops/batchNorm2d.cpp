// batchNorm2d of channel-blocked images, fused with an addition of a residual r and a ReLU (Ioffe and Szegedy, ICML
// 2015).
//
// Forward reads x twice, for the statistics and for
//   y = relu(scale (x - mean) + bias + r),  scale = weight / sqrt(variance + eps).
// The statistics are sums of x minus the channel's first value, which is close enough to the mean that the difference
// of squares does not cancel.
// With g = dy if y > 0, else 0 (without a ReLU g = dy), backward reads x and dy for the sums
//   db = sum g,  dw = sum g (x - mean) / deviation,
// and again for  dx = A g + B (x - mean) + C, with M values per channel and
//   A = scale,  B = -scale dw / (M deviation),  C = -scale db / M.
// Without a residual the sign of y is recomputed from x. With a residual y is read, and the first pass writes g, the
// gradient of the residual, for the second pass.
//
// Memory bandwidth is the bound. If there are enough channel blocks, a thread therefore processes a few blocks of all
// images in both passes, the second in reverse order, so that it reads from the cache. Sums are in float over at most
// 64 pixels, then in double per image, then in double over the images in order, so the result is independent of the
// number of threads.

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

constexpr int64_t maxLanes = 16;

/// The two sums per channel of a plane to which pair(pixel, first sum, second sum) adds. `sums` has the first sums of
/// all lanes, then the second sums.
template <int64_t lanes, class Pair>
SPINEGRAD_INLINE void twoSums(int64_t pixels, double* sums, Pair pair) {
  constexpr int64_t chunk = 64;
  typename LanesOf<lanes>::Doubles first{}, second{};
  for (int64_t begin = 0; begin < pixels; begin += chunk) {
    const int64_t end = std::min(begin + chunk, pixels);
    // Four partial sums each, because dependent additions have a latency of several cycles.
    Lanes<lanes> a0{}, a1{}, a2{}, a3{}, b0{}, b1{}, b2{}, b3{};
    int64_t i = begin;
    for (; i + 4 <= end; i += 4) {
      pair(i, a0, b0);
      pair(i + 1, a1, b1);
      pair(i + 2, a2, b2);
      pair(i + 3, a3, b3);
    }
    for (; i < end; ++i) pair(i, a0, b0);
    first += __builtin_convertvector((a0 + a1) + (a2 + a3), typename LanesOf<lanes>::Doubles);
    second += __builtin_convertvector((b0 + b1) + (b2 + b3), typename LanesOf<lanes>::Doubles);
  }
  for (int64_t lane = 0; lane < lanes; ++lane) {
    sums[lane] = first[lane];
    sums[lanes + lane] = second[lane];
  }
}

template <int64_t lanes>
SPINEGRAD_INLINE void sumsLoop(const float* x, const float* shift, int64_t pixels, double* sums) {
  const Lanes<lanes> origin = lanesAt<lanes>(shift, 0);
  twoSums<lanes>(pixels, sums, [=](int64_t i, Lanes<lanes>& sum, Lanes<lanes>& squares) SPINEGRAD_LAMBDA {
    const Lanes<lanes> value = lanesAt<lanes>(x, i) - origin;
    sum += value;
    squares += value * value;
  });
}

/// The constants of a block's channels.
struct Constants {
  const float *mean, *scale, *bias;
};

template <int64_t lanes>
SPINEGRAD_INLINE void normalizeLoop(const float* x, const float* residual, Constants constants, bool relu,
                                    int64_t pixels, float* y) {
  const Lanes<lanes> mean = lanesAt<lanes>(constants.mean, 0), scale = lanesAt<lanes>(constants.scale, 0),
                     bias = lanesAt<lanes>(constants.bias, 0);
  for (int64_t i = 0; i < pixels; ++i) {
    Lanes<lanes> value = (lanesAt<lanes>(x, i) - mean) * scale + bias;
    if (residual != nullptr) value += lanesAt<lanes>(residual, i);
    if (relu) value = value < 0.0f ? Lanes<lanes>{} : value;
    lanesAt<lanes>(y, i) = value;
  }
}

/// What the sign of y, and so the gradient of the ReLU, is computed from.
enum class Relu { none, fromX, fromY };

/// One plane of backward's operands.
struct BackwardPlane {
  const float *x, *y, *dy;
  int64_t pixels;
};

/// Returns the function that computes g at a pixel.
template <int64_t lanes, Relu relu>
SPINEGRAD_INLINE auto reluGradient(const BackwardPlane& plane, Constants constants) {
  const Lanes<lanes> mean = lanesAt<lanes>(constants.mean, 0), scale = lanesAt<lanes>(constants.scale, 0),
                     bias = lanesAt<lanes>(constants.bias, 0);
  return [=, x = plane.x, y = plane.y, dy = plane.dy](int64_t i) SPINEGRAD_LAMBDA {
    const Lanes<lanes> gradient = lanesAt<lanes>(dy, i);
    if constexpr (relu == Relu::none) return gradient;
    const Lanes<lanes> sign = relu == Relu::fromX ? (lanesAt<lanes>(x, i) - mean) * scale + bias : lanesAt<lanes>(y, i);
    return sign > 0.0f ? gradient : Lanes<lanes>{};
  };
}

/// Writes g to `dr` unless it is null.
template <int64_t lanes, Relu relu>
SPINEGRAD_INLINE void gradientSumsLoop(const BackwardPlane& plane, Constants constants, double* sums, float* dr) {
  const auto gradientAt = reluGradient<lanes, relu>(plane, constants);
  const Lanes<lanes> mean = lanesAt<lanes>(constants.mean, 0);
  twoSums<lanes>(plane.pixels, sums,
                 [=, x = plane.x](int64_t i, Lanes<lanes>& sum, Lanes<lanes>& product) SPINEGRAD_LAMBDA {
                   const Lanes<lanes> g = gradientAt(i);
                   sum += g;
                   product += g * (lanesAt<lanes>(x, i) - mean);
                   if (dr != nullptr) lanesAt<lanes>(dr, i) = g;
                 });
}

/// A, B and C of a block's channels.
struct Coefficients {
  const float *a, *b, *c;
};

template <int64_t lanes, Relu relu>
SPINEGRAD_INLINE void gradientLoop(const BackwardPlane& plane, Constants constants, Coefficients coefficients,
                                   float* dx) {
  const auto gradientAt = reluGradient<lanes, relu>(plane, constants);
  const Lanes<lanes> mean = lanesAt<lanes>(constants.mean, 0), a = lanesAt<lanes>(coefficients.a, 0),
                     b = lanesAt<lanes>(coefficients.b, 0), c = lanesAt<lanes>(coefficients.c, 0);
  for (int64_t i = 0; i < plane.pixels; ++i) {
    lanesAt<lanes>(dx, i) = a * gradientAt(i) + (b * (lanesAt<lanes>(plane.x, i) - mean) + c);
  }
}

SPINEGRAD_SIMD void sumsOf(int64_t lanes, const float* x, const float* shift, int64_t pixels, double* sums) {
  lanes == 16 ? sumsLoop<16>(x, shift, pixels, sums) : sumsLoop<8>(x, shift, pixels, sums);
}

SPINEGRAD_SIMD void normalizePlane(int64_t lanes, const float* x, const float* residual, Constants constants, bool relu,
                                   int64_t pixels, float* y) {
  lanes == 16 ? normalizeLoop<16>(x, residual, constants, relu, pixels, y)
              : normalizeLoop<8>(x, residual, constants, relu, pixels, y);
}

template <int64_t lanes>
SPINEGRAD_INLINE void gradientSumsBy(Relu relu, const BackwardPlane& plane, Constants constants, double* sums,
                                     float* dr) {
  if (relu == Relu::none) return gradientSumsLoop<lanes, Relu::none>(plane, constants, sums, dr);
  if (relu == Relu::fromX) return gradientSumsLoop<lanes, Relu::fromX>(plane, constants, sums, dr);
  gradientSumsLoop<lanes, Relu::fromY>(plane, constants, sums, dr);
}

SPINEGRAD_SIMD void gradientSums(int64_t lanes, Relu relu, const BackwardPlane& plane, Constants constants,
                                 double* sums, float* dr) {
  lanes == 16 ? gradientSumsBy<16>(relu, plane, constants, sums, dr)
              : gradientSumsBy<8>(relu, plane, constants, sums, dr);
}

template <int64_t lanes>
SPINEGRAD_INLINE void gradientBy(Relu relu, const BackwardPlane& plane, Constants constants, Coefficients coefficients,
                                 float* dx) {
  if (relu == Relu::none) return gradientLoop<lanes, Relu::none>(plane, constants, coefficients, dx);
  if (relu == Relu::fromX) return gradientLoop<lanes, Relu::fromX>(plane, constants, coefficients, dx);
  gradientLoop<lanes, Relu::fromY>(plane, constants, coefficients, dx);
}

SPINEGRAD_SIMD void gradientPlane(int64_t lanes, Relu relu, const BackwardPlane& plane, Constants constants,
                                  Coefficients coefficients, float* dx) {
  lanes == 16 ? gradientBy<16>(relu, plane, constants, coefficients, dx)
              : gradientBy<8>(relu, plane, constants, coefficients, dx);
}

/// One value per channel, 0 for padding channels.
std::vector<float> channelValues(Tensor& tensor, const Planes& planes) {
  std::vector<float> values(planes.blocks * planes.lanes, 0.0f);
  std::copy_n(read<float>(tensor), planes.channels, values.begin());
  return values;
}

/// Calls sums(image, block, two sums per channel) for all planes, then finish(first channel, first totals, second
/// totals) for each block, then apply(image, block) for all planes.
template <class Sums, class Finish, class Apply>
void inTwoPasses(const Planes& planes, Sums sums, Finish finish, Apply apply) {
  const int64_t width = 2 * planes.lanes;
  const Workspace<double> partial(static_cast<size_t>(planes.images * planes.blocks * width));
  const auto partialOf = [&](int64_t image, int64_t block) {
    return partial.data() + (block * planes.images + image) * width;
  };
  const auto finishBlock = [&](int64_t block) {
    double total[2 * maxLanes] = {};
    for (int64_t image = 0; image < planes.images; ++image) {
      for (int64_t i = 0; i < width; ++i) total[i] += partialOf(image, block)[i];
    }
    finish(block * planes.lanes, total, total + planes.lanes);
  };
  const int64_t threads = omp_get_max_threads();
  if (planes.blocks >= threads) {
    constexpr int64_t cached = 65536;  // values of x that fit a core's own cache
    const int64_t fitting = std::max<int64_t>(cached / (planes.images * planes.size()), 1);
    const int64_t together = std::min(fitting, planes.blocks / threads);
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < planes.blocks; first += together) {
      const int64_t last = std::min(first + together, planes.blocks);
      for (int64_t image = 0; image < planes.images; ++image) {
        for (int64_t block = first; block < last; ++block) sums(image, block, partialOf(image, block));
      }
      for (int64_t block = first; block < last; ++block) finishBlock(block);
      for (int64_t image = planes.images; image-- > 0;) {
        for (int64_t block = first; block < last; ++block) apply(image, block);
      }
    }
    return;
  }
#pragma omp parallel
  {
#pragma omp for collapse(2) schedule(static)
    for (int64_t block = 0; block < planes.blocks; ++block) {
      for (int64_t image = 0; image < planes.images; ++image) sums(image, block, partialOf(image, block));
    }
#pragma omp for schedule(static)
    for (int64_t block = 0; block < planes.blocks; ++block) finishBlock(block);
#pragma omp for collapse(2) schedule(static)
    for (int64_t block = 0; block < planes.blocks; ++block) {
      for (int64_t image = 0; image < planes.images; ++image) apply(image, block);
    }
  }
}

/// The operands and the second pass of forward and inference.
class Normalization {
 public:
  template <class Op>
  explicit Normalization(const Op& op)
      : planes(op.x.shape),
        mean(planes.blocks * planes.lanes),
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

  void apply(int64_t image, int64_t block) const {
    const int64_t channel = block * planes.lanes, offset = planes.offset(image, block);
    normalizePlane(planes.lanes, x + offset, residual_ == nullptr ? nullptr : residual_ + offset,
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

/// Normalizes by the statistics of the batch and updates the running statistics.
void forward(const BatchNorm2dForward& op) {
  Normalization norm(op);
  const Planes& planes = norm.planes;
  const double count = static_cast<double>(planes.images * planes.pixels());
  float* runningMean = read<float>(op.runningMean);
  float* runningVariance = read<float>(op.runningVariance);
  const auto originOf = [&](int64_t block) { return norm.x + planes.offset(0, block); };
  inTwoPasses(
      planes,
      [&](int64_t image, int64_t block, double* sums) {
        sumsOf(planes.lanes, norm.x + planes.offset(image, block), originOf(block), planes.pixels(), sums);
      },
      [&](int64_t first, const double* sum, const double* squares) {
        for (int64_t lane = 0; lane < planes.lanes; ++lane) {
          const int64_t channel = first + lane;
          const double shifted = sum[lane] / count, mean = shifted + originOf(first / planes.lanes)[lane];
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
      [&](int64_t image, int64_t block) { norm.apply(image, block); });
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
    for (int64_t block = 0; block < norm.planes.blocks; ++block) norm.apply(image, block);
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
    return BackwardPlane{x + offset, y == nullptr ? nullptr : y + offset, dy + offset, planes.pixels()};
  };
  const auto constantsOf = [&](int64_t channel) {
    return Constants{mean.data() + channel, a.data() + channel, bias.data() + channel};
  };
  inTwoPasses(
      planes,
      [&](int64_t image, int64_t block, double* sums) {
        const int64_t offset = planes.offset(image, block);
        gradientSums(planes.lanes, relu, planeOf(offset), constantsOf(block * planes.lanes), sums,
                     dr == nullptr ? nullptr : dr + offset);
      },
      [&](int64_t first, const double* sum, const double* product) {
        for (int64_t lane = 0; lane < planes.lanes; ++lane) {
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
      [&](int64_t image, int64_t block) {
        const int64_t offset = planes.offset(image, block), channel = block * planes.lanes;
        BackwardPlane plane = planeOf(offset);
        if (dr != nullptr) plane.dy = dr + offset;
        gradientPlane(planes.lanes, dr == nullptr ? relu : Relu::none, plane, constantsOf(channel),
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
