// Types that the kernels of focalLoss and their launcher share.
#pragma once

#include <stdint.h>

namespace spinegrad {

struct FocalLossParameters {
  float gamma, smoothing;
  int32_t ignoreIndex;
  /// The columns of the logits.
  int32_t classes;
  /// One weight per class.
  const float* alpha;
  /// Sigmoid: the weight of the negative term is 1 - alpha if set, else alpha, which is then 1.
  int32_t weighted;
};

/// Sums of one block: terms of the loss, alpha of the targets, number of targets. `invalid` is the position of the
/// first target that is neither valid nor ignored, or INT64_MAX.
struct FocalLossSums {
  double terms, weights, count;
  int64_t invalid;
};

/// The values of FocalReduction (native/engine/contracts.h).
constexpr int32_t focalLossSum = 0, focalLossMean = 1, focalLossWeightedMean = 2;

}  // namespace spinegrad
