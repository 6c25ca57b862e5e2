// focalLoss in log space (Lin et al., "Focal Loss for Dense Object Detection", 2017). Every class c of row n has a
// weight w and a log probability l = log p; a term is w (1 - p)^gamma (-l). ts/engine/ops/focalLoss.ts gives w.
//
// What keeps value and gradient accurate everywhere is explained in native/cpu/ops/focalLoss.cpp: with softmax, the
// largest logit is left out of the sum of exponentials S, so that for it l = -log1p(S) and 1 - p = S / (1 + S); with
// sigmoid, 1 - p is the sigmoid of -x. The gradient of a term by l is h = -(1 - p)^gamma (1 + gamma p (-l) / (1 - p)).
//
// Softmax: a thread takes a row and goes over its classes three times (largest, sum, terms), backward once more; the
// grades of a disc are three classes, 12 bytes, which stay in the cache in between. Sigmoid: a thread takes an element.
// All of a batch of 256 is a few KB, so what counts is the number of launches: two forward, one backward.
//
// Forward adds in double, a thread's rows first, then the block's threads; a second kernel of one block adds the blocks
// in order, looks for what only the data can tell, and divides.
#include "kernels/focalLoss.h"
#include "kernels/lib/reduce.cuh"
#include "kernels/lib/status.cuh"

namespace {

constexpr float smallest = 1.17549435e-38f;  // normal float
constexpr int64_t none = INT64_MAX;

/// q^gamma for 0 <= q <= 1, given gamma >= 0.
__device__ __forceinline__ float power(float q, float gamma) {
  const float atZero = gamma == 0 ? 1.0f : 0.0f;
  return q < smallest ? atZero : expf(gamma * logf(q));
}

/// Class c of one row: p, 1 - p and -log p.
struct Probability {
  float p, q, minusLog;
};

/// A row of logits under softmax.
struct Row {
  const float* x;
  float most, others, logSum;
  int32_t top;

  __device__ __forceinline__ Row(const float* logits, int32_t classes) : x(logits), most(x[0]), others(0), top(0) {
    for (int32_t c = 1; c < classes; ++c) {
      if (x[c] > most) {
        most = x[c];
        top = c;
      }
    }
    for (int32_t c = 0; c < classes; ++c) others += c == top ? 0.0f : expf(x[c] - most);
    logSum = log1pf(others);
  }

  __device__ __forceinline__ Probability of(int32_t c) const {
    const float total = 1.0f + others;
    if (c == top) return {1.0f / total, others / total, logSum};
    const float below = x[c] - most, p = expf(below) / total;
    return {p, 1.0f - p, logSum - below};
  }
};

/// -1 where the target is ignored or no class.
__device__ __forceinline__ int32_t classOf(int32_t target, const FocalLossParameters& parameters) {
  const bool counts = target >= 0 && target < parameters.classes && target != parameters.ignoreIndex;
  return counts ? target : -1;
}

__device__ __forceinline__ float weightOf(const FocalLossParameters& parameters, int32_t c, int32_t target) {
  const float alpha = parameters.alpha[c];
  const float uniform = alpha * parameters.smoothing / static_cast<float>(parameters.classes);
  return target == c ? alpha * (1.0f - parameters.smoothing) + uniform : uniform;
}

/// W = weight * h of a class of a row that counts.
__device__ __forceinline__ float weightedSlope(const Probability& one, float weight, float gamma) {
  const float ratio = one.q < smallest ? 1.0f : one.minusLog / one.q;
  return weight == 0 ? 0.0f : -weight * power(one.q, gamma) * (1.0f + gamma * one.p * ratio);
}

struct Binary {
  /// Loss of the positive answer at logit x, and its derivative by x.
  float term, slope;
};

__device__ __forceinline__ Binary positiveAnswer(float x, float gamma) {
  const float above = x > 0 ? x : 0.0f, below = x > 0 ? 0.0f : x;  // NaN goes below
  const float e = expf(below - above);
  const float small = e / (1.0f + e), large = 1.0f / (1.0f + e), soft = log1pf(e);
  const float p = x > 0 ? large : small, q = x > 0 ? small : large;
  const float minusLog = soft - below;
  const float modulation = expf(-gamma * (soft + above));  // q^gamma
  return {modulation * minusLog, -modulation * (q + gamma * p * minusLog)};
}

/// One element: what its two answers weigh, all 0 where the target is ignored.
struct Element {
  float x, yes, no, weight, count;

  __device__ __forceinline__ Element(float logit, float target, int32_t c, const FocalLossParameters& parameters) {
    const float alpha = parameters.alpha[c], beta = parameters.weighted ? 1 - alpha : alpha;
    const bool ignored = target == static_cast<float>(parameters.ignoreIndex);
    const float y = target * (1.0f - parameters.smoothing) + 0.5f * parameters.smoothing;
    count = ignored ? 0.0f : 1.0f;
    x = ignored ? 0.0f : logit;
    yes = count * y * alpha;
    no = count * (1.0f - y) * beta;
    weight = count * (target * alpha + (1.0f - target) * beta);
  }
};

/// Adds the threads' sums over the block.
__device__ __forceinline__ void writeSums(const FocalLossSums& mine, FocalLossSums* sums) {
  const double terms = blockSum(mine.terms), weights = blockSum(mine.weights), count = blockSum(mine.count);
  const int64_t invalid = -blockMax(-mine.invalid, -none);
  if (threadIdx.x == 0) sums[blockIdx.x] = {terms, weights, count, invalid};
}

}  // namespace

SPINEGRAD_KERNEL(focalLoss_softmaxSums, 256,
                 (const float* __restrict__ logits, const int32_t* __restrict__ targets, int64_t rows,
                  FocalLossParameters parameters, FocalLossSums* sums)) {
  FocalLossSums mine = {0, 0, 0, none};
  for (int64_t n = globalThread(); n < rows; n += allThreads()) {
    const int32_t target = classOf(targets[n], parameters);
    if (target < 0) {
      if (targets[n] != parameters.ignoreIndex) mine.invalid = min(mine.invalid, n);
      continue;
    }
    const Row row(logits + n * parameters.classes, parameters.classes);
    float terms = 0;
    for (int32_t c = 0; c < parameters.classes; ++c) {
      const Probability one = row.of(c);
      const float weight = weightOf(parameters, c, target);
      terms += weight == 0 ? 0.0f : weight * power(one.q, parameters.gamma) * one.minusLog;
    }
    mine.terms += terms;
    mine.weights += parameters.alpha[target];
    mine.count += 1;
  }
  writeSums(mine, sums);
}

/// With W = weight * h a class, dx_c = W_c (1 - p_c) - p_c (sum of W - W_c).
SPINEGRAD_KERNEL(focalLoss_softmaxGradient, SPINEGRAD_BOUNDS(256, 4),
                 (const float* __restrict__ logits, const int32_t* __restrict__ targets, int64_t rows,
                  FocalLossParameters parameters, const float* divisor, const float* dy, float* __restrict__ dx)) {
  const float factor = *dy / *divisor;
  for (int64_t n = globalThread(); n < rows; n += allThreads()) {
    const int64_t first = n * parameters.classes;
    const int32_t target = classOf(targets[n], parameters);
    if (target < 0) {
      for (int32_t c = 0; c < parameters.classes; ++c) dx[first + c] = 0;
      continue;
    }
    const Row row(logits + first, parameters.classes);
    float total = 0;
    for (int32_t c = 0; c < parameters.classes; ++c) {
      total += weightedSlope(row.of(c), factor * weightOf(parameters, c, target), parameters.gamma);
    }
    for (int32_t c = 0; c < parameters.classes; ++c) {
      const Probability one = row.of(c);
      const float own = weightedSlope(one, factor * weightOf(parameters, c, target), parameters.gamma);
      dx[first + c] = own * one.q - one.p * (total - own);
    }
  }
}

SPINEGRAD_KERNEL(focalLoss_sigmoidSums, 256,
                 (const float* __restrict__ logits, const float* __restrict__ targets, int64_t elements,
                  FocalLossParameters parameters, FocalLossSums* sums)) {
  FocalLossSums mine = {0, 0, 0, none};
  for (int64_t i = globalThread(); i < elements; i += allThreads()) {
    const float target = targets[i];
    if (!(target >= 0 && target <= 1) && target != static_cast<float>(parameters.ignoreIndex)) {
      mine.invalid = min(mine.invalid, i);
      continue;
    }
    const Element one(logits[i], target, static_cast<int32_t>(i % parameters.classes), parameters);
    mine.terms += one.yes * positiveAnswer(one.x, parameters.gamma).term;
    mine.terms += one.no * positiveAnswer(-one.x, parameters.gamma).term;
    mine.weights += one.weight;
    mine.count += one.count;
  }
  writeSums(mine, sums);
}

SPINEGRAD_KERNEL(focalLoss_sigmoidGradient, 256,
                 (const float* __restrict__ logits, const float* __restrict__ targets, int64_t elements,
                  FocalLossParameters parameters, const float* divisor, const float* dy, float* __restrict__ dx)) {
  const float factor = *dy / *divisor;
  for (int64_t i = globalThread(); i < elements; i += allThreads()) {
    const Element one(logits[i], targets[i], static_cast<int32_t>(i % parameters.classes), parameters);
    dx[i] = factor * (one.yes * positiveAnswer(one.x, parameters.gamma).slope -
                      one.no * positiveAnswer(-one.x, parameters.gamma).slope);
  }
}

/// One block: the loss, and what backward divides by. `targets` is read as bits, for the report.
SPINEGRAD_KERNEL(focalLoss_finish, 256,
                 (const FocalLossSums* sums, int32_t blocks, const int32_t* targets, int32_t reduction,
                  FocalLossReports reports, Status* status, float* loss, float* divisor)) {
  FocalLossSums total = {0, 0, 0, none};
  for (int32_t block = threadIdx.x; block < blocks; block += blockDim.x) {
    total.terms += sums[block].terms;
    total.weights += sums[block].weights;
    total.count += sums[block].count;
    total.invalid = min(total.invalid, sums[block].invalid);
  }
  total = {blockSum(total.terms), blockSum(total.weights), blockSum(total.count), -blockMax(-total.invalid, -none)};
  if (threadIdx.x != 0) return;
  if (total.invalid != none) {
    reportOnce(status, reports.invalid, targets[total.invalid], total.invalid);
  } else if (total.count == 0) {
    reportOnce(status, reports.allIgnored, 0, 0);
  } else if (reduction == focalLossWeightedMean && !(total.weights > 0)) {
    reportOnce(status, reports.noWeight, 0, 0);
  }
  const double by = reduction == focalLossSum ? 1 : reduction == focalLossMean ? total.count : total.weights;
  *loss = static_cast<float>(total.terms) / static_cast<float>(by);
  *divisor = static_cast<float>(by);
}
