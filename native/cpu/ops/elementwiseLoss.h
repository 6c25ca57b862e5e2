// What mse and smoothL1 share: a term for each pair (prediction, target), weighted, added up, and divided by the sum
// of weights when the mean is asked for. Terms are added in double precision, by pieces of fixed size in a fixed order.
#pragma once

#include "native/cpu/runtime/math.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {

struct LossSums {
  double terms = 0, weights = 0;
  /// Whether a weight was negative.
  bool negative = false;
};

/// Adds up the terms of `count` pairs, term(i) a float; a pair of weight 0 adds nothing, whatever its term.
template <class Term>
SPINEGRAD_INLINE LossSums sumsOf(const float* weight, size_t count, Term term) {
  double terms = 0, weights = 0;
  if (weight == nullptr) {
#pragma omp simd reduction(+ : terms)
    for (size_t i = 0; i < count; ++i) terms += term(i);
    return {terms, static_cast<double>(count), false};
  }
  float least = 0;
#pragma omp simd reduction(+ : terms, weights) reduction(min : least)
  for (size_t i = 0; i < count; ++i) {
    const float one = term(i), w = weight[i], weighted = w * one;
    terms += w == 0 ? 0.0f : weighted;
    weights += w;
    least = w < least ? w : least;
  }
  return {terms, weights, least < 0};
}

/// One loss of this kind; `weight` may be null: all ones. A pair of weight 0 adds nothing, whatever its values.
struct ElementwiseLoss {
  LossSums (*sums)(const float* prediction, const float* target, const float* weight, double parameter, size_t count);
  /// gradient = factor * weight * d term / d prediction
  void (*gradient)(const float* prediction, const float* target, const float* weight, double parameter, float factor,
                   float* gradient, size_t count);
};

// For the contracts of mse and smoothL1; `parameter` is passed on to `loss`.
template <class Op>
void elementwiseLossForward(const Op& op, const ElementwiseLoss& loss, double parameter);
template <class Op>
void elementwiseLossBackward(const Op& op, const ElementwiseLoss& loss, double parameter);

}  // namespace spinegrad::cpu
