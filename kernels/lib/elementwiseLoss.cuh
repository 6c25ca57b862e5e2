// What mse and smoothL1 share: a weighted term for each pair (prediction, target), added up by pieces of fixed size in
// double precision, and the gradient for the prediction. A pair of weight 0 adds nothing, whatever its values; a null
// `weight` is all ones.
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

/// term(difference) in double precision. One block a piece.
template <class Term>
__device__ __forceinline__ void lossPieceSums(const float* prediction, const float* target, const float* weight,
                                              LossSums* partials, int64_t count, Term term) {
  const int64_t first = blockIdx.x * lossPiece;
  const int64_t end = first + lossPiece < count ? first + lossPiece : count;
  double terms = 0, weights = 0;
  int64_t negative = count;
  for (int64_t i = first + threadIdx.x; i < end; i += blockDim.x) {
    const float w = weight == nullptr ? 1.0f : weight[i];
    terms += w == 0 ? 0.0 : w * term(static_cast<double>(prediction[i]) - target[i]);
    weights += w;
    if (w < 0 && i < negative) negative = i;
  }
  const LossSums sums{blockSum(terms), blockSum(weights), blockReduce(negative, count, Min())};
  if (threadIdx.x == 0) partials[blockIdx.x] = sums;
}

/// slope(difference) is the term's derivative; gradient = dy / divisor * weight * slope.
template <class Slope>
__device__ __forceinline__ void lossGradient(const float* prediction, const float* target, const float* weight,
                                             const float* divisor, const float* dy, float* gradient, int64_t count,
                                             Slope slope) {
  const float factor = *dy / *divisor;
  for (int64_t i = globalThread(); i < count; i += allThreads()) {
    const float w = weight == nullptr ? 1.0f : weight[i];
    gradient[i] = w == 0 ? 0.0f : slope(prediction[i] - target[i]) * (factor * w);
  }
}

}  // namespace spinegrad
