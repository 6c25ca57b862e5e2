// The common part of mse, smoothL1 and bceWithLogits: a weighted term per pair (prediction, target), summed by chunks
// of fixed size in double precision, and the gradient of the prediction. A pair of weight 0 adds nothing, even if its
// values are not finite. If `weight` is null, all weights are 1.
#pragma once

#include "kernels/elementwiseLoss.h"
#include "kernels/lib/reduce.cuh"

namespace spinegrad {

struct Min {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};

/// Sums of one chunk per block. term(prediction, target) is float or double; the sums are double.
template <class Term>
__device__ __forceinline__ void lossChunkSums(const float* prediction, const float* target, const float* weight,
                                              LossSums* partials, int64_t count, Term term) {
  const int64_t first = blockIdx.x * lossChunk;
  const int64_t end = first + lossChunk < count ? first + lossChunk : count;
  double terms = 0, weights = 0;
  int64_t negative = count;
  for (int64_t i = first + threadIdx.x; i < end; i += blockDim.x) {
    const float w = weight == nullptr ? 1.0f : weight[i];
    terms += w == 0 ? 0.0 : w * static_cast<double>(term(prediction[i], target[i]));
    weights += w;
    if (w < 0 && i < negative) negative = i;
  }
  const LossSums sums{blockSum(terms), blockSum(weights), blockReduce(negative, count, Min())};
  if (threadIdx.x == 0) partials[blockIdx.x] = sums;
}

/// gradient = dy / divisor * weight * slope(prediction, target), where slope is the derivative of the term by the
/// prediction.
template <class Slope>
__device__ __forceinline__ void lossGradient(const float* prediction, const float* target, const float* weight,
                                             const float* divisor, const float* dy, float* gradient, int64_t count,
                                             Slope slope) {
  const float factor = *dy / *divisor;
  for (int64_t i = globalThread(); i < count; i += gridThreads()) {
    const float w = weight == nullptr ? 1.0f : weight[i];
    gradient[i] = w == 0 ? 0.0f : slope(prediction[i], target[i]) * (factor * w);
  }
}

}  // namespace spinegrad
