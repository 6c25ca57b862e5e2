// What the kernels of focalLoss and their launcher agree on.
#pragma once

#include <stdint.h>

namespace spinegrad {

struct FocalLossParameters {
  float gamma, smoothing;
  int32_t ignoreIndex;
  /// Columns of the logits.
  int32_t classes;
  /// One a class.
  const float* alpha;
  /// Sigmoid: whether the negative answer weighs 1 - alpha; else it weighs alpha, which is 1.
  int32_t weighted;
};

/// Over a block's part: terms of the loss, sum of the targets' alpha, number of targets; and the first target that is
/// neither valid nor ignored, or the largest number.
struct FocalLossSums {
  double terms, weights, count;
  int64_t invalid;
};

/// What to report when the data is wrong (native/cuda/runtime/status.h).
struct FocalLossReports {
  int32_t invalid, allIgnored, noWeight;
};

/// Numbers of FocalLossAttributes::Reduction.
constexpr int32_t focalLossSum = 0, focalLossMean = 1, focalLossWeightedMean = 2;

}  // namespace spinegrad
