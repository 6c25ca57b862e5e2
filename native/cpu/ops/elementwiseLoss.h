// The weighted losses mse, smoothL1 and bceWithLogits: a term per pair (prediction, target), summed, and divided by the
// sum of the weights for the mean. Terms are summed in double per chunk of fixed size, then over the chunks in order.
#pragma once

#include "native/cpu/runtime/math.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {

struct LossSums {
  double terms = 0, weights = 0;
  /// Whether a weight was negative.
  bool negative = false;
};

/// Sums term(i) of `count` pairs. A pair of weight 0 adds 0 even if its term is not finite.
template <class Term>
SPINEGRAD_INLINE LossSums sumsOf(const float* weight, size_t count, Term term) {
  double terms = 0, weights = 0;
  if (weight == nullptr) {
#pragma omp simd reduction(+ : terms)
    for (size_t i = 0; i < count; ++i) terms += term(i);
    return {terms, static_cast<double>(count), false};
  }
  float minWeight = 0;
#pragma omp simd reduction(+ : terms, weights) reduction(min : minWeight)
  for (size_t i = 0; i < count; ++i) {
    const float one = term(i), w = weight[i], weighted = w * one;
    terms += w == 0 ? 0.0f : weighted;
    weights += w;
    minWeight = w < minWeight ? w : minWeight;
  }
  return {terms, weights, minWeight < 0};
}

/// gradient = factor * weight * slope(i), and 0 for a pair of weight 0.
template <class Slope>
SPINEGRAD_INLINE void gradientOf(const float* weight, float factor, float* gradient, size_t count, Slope slope) {
  if (weight == nullptr) {
    for (size_t i = 0; i < count; ++i) gradient[i] = slope(i) * factor;
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    const float w = weight[i], d = slope(i) * (factor * w);
    gradient[i] = w == 0 ? 0.0f : d;
  }
}

/// The functions of one loss. A null `weight` means weights of 1. A pair of weight 0 adds 0 even if its values are not
/// finite.
struct ElementwiseLoss {
  LossSums (*sums)(const float* prediction, const float* target, const float* weight, double parameter, size_t count);
  /// gradient = factor * weight * d term / d prediction
  void (*gradient)(const float* prediction, const float* target, const float* weight, double parameter, float factor,
                   float* gradient, size_t count);
};

// For the contracts of these losses; `parameter` is passed on to `loss`.
template <class Op>
void elementwiseLossForward(const Op& op, const ElementwiseLoss& loss, double parameter);
template <class Op>
void elementwiseLossBackward(const Op& op, const ElementwiseLoss& loss, double parameter);

}  // namespace spinegrad::cpu
