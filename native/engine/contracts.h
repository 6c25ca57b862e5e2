// The attributes of each operation by name, in the order in which ts/engine/ops/<op>.ts sends them. Both backends
// read them here. An operation with at most one attribute reads it from the call directly.
#pragma once

#include <cmath>

#include "native/engine/operation.h"
#include "native/engine/stepFactors.h"

namespace spinegrad {

struct Conv2dAttributes {
  int64_t strideH, strideW, padH, padW;
  /// fprop's alone.
  bool relu;

  explicit Conv2dAttributes(const Call& call)
      : strideH(call.integer(0)),
        strideW(call.integer(1)),
        padH(call.integer(2)),
        padW(call.integer(3)),
        relu(call.flag(4)) {}
};

/// fprop has one more.
struct Conv2dFpropAttributes : Conv2dAttributes {
  /// A training batch norm takes y: where the statistics of its channels come cheaply, they may be left for it.
  bool forBatchNorm;

  explicit Conv2dFpropAttributes(const Call& call) : Conv2dAttributes(call), forBatchNorm(call.flag(5)) {}
};

struct MaxPool2dAttributes {
  int64_t kernelH, kernelW, strideH, strideW, padH, padW;

  explicit MaxPool2dAttributes(const Call& call)
      : kernelH(call.integer(0)),
        kernelW(call.integer(1)),
        strideH(call.integer(2)),
        strideW(call.integer(3)),
        padH(call.integer(4)),
        padW(call.integer(5)) {}
};

struct BatchNorm2dAttributes {
  double eps, momentum;
  bool relu;

  explicit BatchNorm2dAttributes(const Call& call) : eps(call.real(0)), momentum(call.real(1)), relu(call.flag(2)) {}
};

struct DropoutAttributes {
  double probability;
  uint32_t seed, step;

  explicit DropoutAttributes(const Call& call)
      : probability(call.real(0)),
        seed(static_cast<uint32_t>(call.integer(1))),
        step(static_cast<uint32_t>(call.integer(2))) {}
};

struct AdamWAttributes {
  double learningRate, beta1, beta2, eps, weightDecay;
  int64_t step;

  explicit AdamWAttributes(const Call& call)
      : learningRate(call.real(0)),
        beta1(call.real(1)),
        beta2(call.real(2)),
        eps(call.real(3)),
        weightDecay(call.real(4)),
        step(call.integer(5)) {}

  AdamWFactors factors() const {
    const auto t = static_cast<double>(step);
    return {
        .decay = static_cast<float>(1 - learningRate * weightDecay),
        .oneMinusBeta1 = static_cast<float>(1 - beta1),
        .beta2 = static_cast<float>(beta2),
        .oneMinusBeta2 = static_cast<float>(1 - beta2),
        .stepSize = static_cast<float>(learningRate / (1 - std::pow(beta1, t))),
        .rootCorrection2 = static_cast<float>(std::sqrt(1 - std::pow(beta2, t))),
        .eps = static_cast<float>(eps),
    };
  }
};

struct SgdAttributes {
  double learningRate, momentum, weightDecay;
  bool nesterov, decoupled;

  explicit SgdAttributes(const Call& call)
      : learningRate(call.real(0)),
        momentum(call.real(1)),
        weightDecay(call.real(2)),
        nesterov(call.flag(3)),
        decoupled(call.flag(4)) {}

  SgdFactors factors() const {
    const auto share = static_cast<float>(momentum);
    return {
        .coupledDecay = decoupled ? 0 : static_cast<float>(weightDecay),
        .decay = decoupled ? static_cast<float>(1 - learningRate * weightDecay) : 1,
        .momentum = share,
        .learningRate = static_cast<float>(learningRate),
        .velocityShare = nesterov ? share : 1,
        .gradientShare = nesterov ? 1.0f : 0.0f,
    };
  }
};

/// Units and order of application: ts/engine/ops/augment.ts.
struct AugmentAttributes {
  uint32_t seed, step;
  double pitch, rotation, scale, shear, translation, flip, blur, gamma, contrast, brightness, noise, cutout, cutoutSize;
  bool cutoutMean;
  double mean, deviation;

  explicit AugmentAttributes(const Call& call)
      : seed(static_cast<uint32_t>(call.integer(0))),
        step(static_cast<uint32_t>(call.integer(1))),
        pitch(call.real(2)),
        rotation(call.real(3)),
        scale(call.real(4)),
        shear(call.real(5)),
        translation(call.real(6)),
        flip(call.real(7)),
        blur(call.real(8)),
        gamma(call.real(9)),
        contrast(call.real(10)),
        brightness(call.real(11)),
        noise(call.real(12)),
        cutout(call.real(13)),
        cutoutSize(call.real(14)),
        cutoutMean(call.flag(15)),
        mean(call.real(16)),
        deviation(call.real(17)) {}
};

/// mse and smoothL1; `parameter` is smoothL1's beta.
struct ElementwiseLossAttributes {
  bool mean;
  double parameter;

  explicit ElementwiseLossAttributes(const Call& call) : mean(call.flag(0)), parameter(call.real(1)) {}
};

struct InfoNCEAttributes {
  double temperature;
  bool meanInside;

  explicit InfoNCEAttributes(const Call& call) : temperature(call.real(0)), meanInside(call.flag(1)) {}
};

struct FocalLossAttributes {
  enum class Reduction { sum, mean, weightedMean };

  double gamma, labelSmoothing;
  int64_t ignoreIndex;
  Reduction reduction;
  /// Whether alpha was given; else it is ones.
  bool weighted;
  /// One a class.
  std::vector<float> alpha;

  explicit FocalLossAttributes(const Call& call)
      : gamma(call.real(0)),
        labelSmoothing(call.real(1)),
        ignoreIndex(call.integer(2)),
        reduction(static_cast<Reduction>(call.integer(3))),
        weighted(call.flag(4)),
        alpha(call.attributes.begin() + 5, call.attributes.end()) {}
};

}  // namespace spinegrad
