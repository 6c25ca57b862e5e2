// focalLoss in log space (Lin et al., "Focal Loss for Dense Object Detection", 2017). A term is w q^gamma (-log p) with
// q = 1 - p; ts/engine/ops/focalLoss.ts defines the weight w of a class. native/cpu/ops/focalLoss.h explains the
// numerics.
//
// Softmax takes one thread per row, which visits the classes three times (maximum, sum, terms) and once more in
// backward; the three grades of a disc are 12 bytes and stay in the cache. Sigmoid takes one thread per element. A
// batch of 256 is a few KB, so the number of launches is the cost: two in forward, one in backward.
#include "kernels/focalLoss.h"
#include "kernels/lib/reduce.cuh"
#include "kernels/lib/status.cuh"

namespace {

constexpr float smallest = 1.17549435e-38f;  // normal float
constexpr int64_t none = INT64_MAX;

/// q^gamma for 0 <= q <= 1 and gamma >= 0.
__device__ __forceinline__ float power(float q, float gamma) {
  const float atZero = gamma == 0 ? 1.0f : 0.0f;
  return q < smallest ? atZero : expf(gamma * logf(q));
}

/// p, q = 1 - p and -log p of one class.
struct Probability {
  float p, q, minusLog;
};

/// A row of logits under softmax. The sum of exponentials S leaves out the largest logit: for its class -log p =
/// log1p(S) and 1 - p = S / (1 + S), which stay accurate as p approaches 1.
struct SoftmaxRow {
  const float* x;
  float rowMax, sumExpNonMax, logSum;
  int32_t argmax;

  __device__ __forceinline__ SoftmaxRow(const float* logits, int32_t classes)
      : x(logits), rowMax(x[0]), sumExpNonMax(0), argmax(0) {
    for (int32_t c = 1; c < classes; ++c) {
      if (x[c] > rowMax) {
        rowMax = x[c];
        argmax = c;
      }
    }
    for (int32_t c = 0; c < classes; ++c) sumExpNonMax += c == argmax ? 0.0f : expf(x[c] - rowMax);
    logSum = log1pf(sumExpNonMax);
  }

  __device__ __forceinline__ Probability of(int32_t c) const {
    const float sumExp = 1.0f + sumExpNonMax;
    if (c == argmax) return {1.0f / sumExp, sumExpNonMax / sumExp, logSum};
    const float shifted = x[c] - rowMax, p = expf(shifted) / sumExp;
    return {p, 1.0f - p, logSum - shifted};
  }
};

/// The target, or -1 if it is ignored or not a class.
__device__ __forceinline__ int32_t classOf(int32_t target, const FocalLossParameters& parameters) {
  const bool valid = target >= 0 && target < parameters.classes && target != parameters.ignoreIndex;
  return valid ? target : -1;
}

__device__ __forceinline__ float weightOf(const FocalLossParameters& parameters, int32_t c, int32_t target) {
  const float alpha = parameters.alpha[c];
  const float uniform = alpha * parameters.smoothing / static_cast<float>(parameters.classes);
  return target == c ? alpha * (1.0f - parameters.smoothing) + uniform : uniform;
}

/// W = weight * h, where h = -q^gamma (1 + gamma p (-log p) / q) is the derivative of a term with respect to log p.
__device__ __forceinline__ float weightedSlope(const Probability& one, float weight, float gamma) {
  const float ratio = one.q < smallest ? 1.0f : one.minusLog / one.q;
  return weight == 0 ? 0.0f : -weight * power(one.q, gamma) * (1.0f + gamma * one.p * ratio);
}

struct BinaryTerm {
  /// The term of a positive target at logit x, and its derivative with respect to x.
  float term, slope;
};

__device__ __forceinline__ BinaryTerm positiveTerm(float x, float gamma) {
  const float above = x > 0 ? x : 0.0f, below = x > 0 ? 0.0f : x;  // NaN is in `below`
  const float e = expf(below - above);
  const float small = e / (1.0f + e), large = 1.0f / (1.0f + e), soft = log1pf(e);
  const float p = x > 0 ? large : small, q = x > 0 ? small : large;
  const float minusLog = soft - below;
  const float modulation = expf(-gamma * (soft + above));  // q^gamma
  return {modulation * minusLog, -modulation * (q + gamma * p * minusLog)};
}

/// One element: the weights of its positive and negative term, all 0 if the target is ignored.
struct Element {
  float x, positiveWeight, negativeWeight, weight, count;

  __device__ __forceinline__ Element(float logit, float target, int32_t c, const FocalLossParameters& parameters) {
    const float alpha = parameters.alpha[c], beta = parameters.weighted ? 1 - alpha : alpha;
    const bool ignored = target == static_cast<float>(parameters.ignoreIndex);
    const float y = target * (1.0f - parameters.smoothing) + 0.5f * parameters.smoothing;
    count = ignored ? 0.0f : 1.0f;
    x = ignored ? 0.0f : logit;
    positiveWeight = count * y * alpha;
    negativeWeight = count * (1.0f - y) * beta;
    weight = count * (target * alpha + (1.0f - target) * beta);
  }
};

/// Adds the sums of the block's threads and writes the result.
__device__ __forceinline__ void writeSums(const FocalLossSums& threadSums, FocalLossSums* sums) {
  const double terms = blockSum(threadSums.terms), weights = blockSum(threadSums.weights),
               count = blockSum(threadSums.count);
  const int64_t invalid = -blockMax(-threadSums.invalid, -none);
  if (threadIdx.x == 0) sums[blockIdx.x] = {terms, weights, count, invalid};
}

}  // namespace

SPINEGRAD_KERNEL(focalLoss_softmaxSums, 256,
                 (const float* __restrict__ logits, const int32_t* __restrict__ targets, int64_t rows,
                  FocalLossParameters parameters, FocalLossSums* sums)) {
  FocalLossSums threadSums = {0, 0, 0, none};
  for (int64_t n = globalThread(); n < rows; n += gridThreads()) {
    const int32_t target = classOf(targets[n], parameters);
    if (target < 0) {
      if (targets[n] != parameters.ignoreIndex) threadSums.invalid = min(threadSums.invalid, n);
      continue;
    }
    const SoftmaxRow row(logits + n * parameters.classes, parameters.classes);
    float terms = 0;
    for (int32_t c = 0; c < parameters.classes; ++c) {
      const Probability one = row.of(c);
      const float weight = weightOf(parameters, c, target);
      terms += weight == 0 ? 0.0f : weight * power(one.q, parameters.gamma) * one.minusLog;
    }
    threadSums.terms += terms;
    threadSums.weights += parameters.alpha[target];
    threadSums.count += 1;
  }
  writeSums(threadSums, sums);
}

/// With W_c = weight * h of class c, dx_c = W_c (1 - p_c) - p_c (sum of W - W_c).
SPINEGRAD_KERNEL(focalLoss_softmaxGradient, SPINEGRAD_BOUNDS(256, 4),
                 (const float* __restrict__ logits, const int32_t* __restrict__ targets, int64_t rows,
                  FocalLossParameters parameters, const float* divisor, const float* dy, float* __restrict__ dx)) {
  const float factor = *dy / *divisor;
  for (int64_t n = globalThread(); n < rows; n += gridThreads()) {
    const int64_t first = n * parameters.classes;
    const int32_t target = classOf(targets[n], parameters);
    if (target < 0) {
      for (int32_t c = 0; c < parameters.classes; ++c) dx[first + c] = 0;
      continue;
    }
    const SoftmaxRow row(logits + first, parameters.classes);
    float total = 0;
    for (int32_t c = 0; c < parameters.classes; ++c) {
      total += weightedSlope(row.of(c), factor * weightOf(parameters, c, target), parameters.gamma);
    }
    for (int32_t c = 0; c < parameters.classes; ++c) {
      const Probability one = row.of(c);
      const float slope = weightedSlope(one, factor * weightOf(parameters, c, target), parameters.gamma);
      dx[first + c] = slope * one.q - one.p * (total - slope);
    }
  }
}

SPINEGRAD_KERNEL(focalLoss_sigmoidSums, 256,
                 (const float* __restrict__ logits, const float* __restrict__ targets, int64_t elements,
                  FocalLossParameters parameters, FocalLossSums* sums)) {
  FocalLossSums threadSums = {0, 0, 0, none};
  for (int64_t i = globalThread(); i < elements; i += gridThreads()) {
    const float target = targets[i];
    if (!(target >= 0 && target <= 1) && target != static_cast<float>(parameters.ignoreIndex)) {
      threadSums.invalid = min(threadSums.invalid, i);
      continue;
    }
    const Element one(logits[i], target, static_cast<int32_t>(i % parameters.classes), parameters);
    threadSums.terms += one.positiveWeight * positiveTerm(one.x, parameters.gamma).term;
    threadSums.terms += one.negativeWeight * positiveTerm(-one.x, parameters.gamma).term;
    threadSums.weights += one.weight;
    threadSums.count += one.count;
  }
  writeSums(threadSums, sums);
}

SPINEGRAD_KERNEL(focalLoss_sigmoidGradient, 256,
                 (const float* __restrict__ logits, const float* __restrict__ targets, int64_t elements,
                  FocalLossParameters parameters, const float* divisor, const float* dy, float* __restrict__ dx)) {
  const float factor = *dy / *divisor;
  for (int64_t i = globalThread(); i < elements; i += gridThreads()) {
    const Element one(logits[i], targets[i], static_cast<int32_t>(i % parameters.classes), parameters);
    dx[i] = factor * (one.positiveWeight * positiveTerm(one.x, parameters.gamma).slope -
                      one.negativeWeight * positiveTerm(-one.x, parameters.gamma).slope);
  }
}

/// One block adds the sums of the blocks in order, checks the data, and writes the loss and the divisor for backward.
/// `targets` is read as bits for the report.
SPINEGRAD_KERNEL(focalLoss_finish, 256,
                 (const FocalLossSums* sums, int32_t blocks, const int32_t* targets, int32_t reduction, int32_t invalid,
                  Status* status, float* loss, float* divisor)) {
  FocalLossSums total = {0, 0, 0, none};
  for (int32_t block = threadIdx.x; block < blocks; block += blockDim.x) {
    total.terms += sums[block].terms;
    total.weights += sums[block].weights;
    total.count += sums[block].count;
    total.invalid = min(total.invalid, sums[block].invalid);
  }
  total = {blockSum(total.terms), blockSum(total.weights), blockSum(total.count), -blockMax(-total.invalid, -none)};
  if (threadIdx.x != 0) return;
  if (total.invalid != none) reportOnce(status, invalid, targets[total.invalid], total.invalid);
  const double counted = reduction == focalLossMean ? total.count : total.weights;
  const double divideBy = reduction == focalLossSum || counted == 0 ? 1 : counted;  // without targets the loss is 0
  *loss = static_cast<float>(total.terms) / static_cast<float>(divideBy);
  *divisor = static_cast<float>(divideBy);
}
