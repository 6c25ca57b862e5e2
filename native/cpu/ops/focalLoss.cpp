// focalLoss in log space (Lin et al., "Focal Loss for Dense Object Detection", 2017). Every class c of row n has a
// weight w and a log probability l = log p; a term is w (1 - p)^gamma (-l). ts/engine/ops/focalLoss.ts gives w.
//
// What keeps value and gradient accurate everywhere: 1 - p is never computed by subtraction from p near 1. With
// softmax, the largest logit is left out of the sum of exponentials, S = sum of the others, so that for the largest
// l = -log1p(S) and 1 - p = S / (1 + S); with sigmoid, 1 - p is the sigmoid of -x. The gradient of a term by l,
// h = -(1 - p)^gamma (1 + gamma p (-l) / (1 - p)), holds no power below 0: (-l) / (1 - p) goes to 1 as p goes to 1.
//
// Backward reads the logits again instead of keeping anything but the divisor. Rows are taken in strips and
// transposed, so that the loops run over rows: a row of three classes fills no vector register.

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <string>
#include <vector>

#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/math.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

using Reduction = FocalReduction;

constexpr int64_t strip = 64;
int64_t stripsOf(int64_t rows) { return (rows + strip - 1) / strip; }

struct Parameters {
  int64_t classes;
  float gamma, smoothing;
  /// One a class.
  const float* alpha;
};

/// Over a strip: terms of the loss, sum of the targets' alpha, number of targets.
struct Sums {
  double terms = 0, weights = 0, count = 0;
};

/// q^gamma for 0 <= q <= 1, given gamma >= 0.
SPINEGRAD_INLINE float power(float q, float gamma) {
  const float y = exponential(gamma * logarithm(q));
  const float atZero = gamma == 0 ? 1.0f : 0.0f;
  return q < std::numeric_limits<float>::min() ? atZero : y;
}

// ---- softmax: a strip lies class by class, x[c * strip + lane]; a target of -1 is ignored ----

struct SoftmaxStrip {
  float *x, *exponentials, *slopes;
  int32_t target[strip], top[strip];
  /// The largest logit of each row, and the sum of exponentials of the others relative to it.
  float most[strip], others[strip];
  /// Of the target: its logit relative to the largest, its exponential, the sum of the other exponentials, its alpha.
  float ownBelow[strip], own[strip], notOwn[strip], alpha[strip];
};

/// What is chosen is added to 0: GCC makes a slow conditional store of `a = chosen ? b : a`.
SPINEGRAD_SIMD void prepareSoftmax(SoftmaxStrip& s, Parameters parameters) {
  for (int64_t i = 0; i < strip; ++i) {
    s.most[i] = s.x[i];
    s.top[i] = -1;
    s.others[i] = s.ownBelow[i] = s.own[i] = s.notOwn[i] = s.alpha[i] = 0;
  }
  for (int64_t c = 1; c < parameters.classes; ++c) {
    const float* x = s.x + c * strip;
#pragma omp simd
    for (int64_t i = 0; i < strip; ++i) s.most[i] = x[i] > s.most[i] ? x[i] : s.most[i];
  }
  for (int64_t c = 0; c < parameters.classes; ++c) {
    const auto number = static_cast<int32_t>(c);
    const float *x = s.x + c * strip, alpha = parameters.alpha[c];
    float* exponentials = s.exponentials + c * strip;
#pragma omp simd
    for (int64_t i = 0; i < strip; ++i) {
      const bool top = x[i] == s.most[i] && s.top[i] < 0, own = s.target[i] == number;
      const float below = top ? 0.0f : x[i] - s.most[i], e = exponential(below);
      exponentials[i] = e;
      s.top[i] += top ? number + 1 : 0;
      s.others[i] += top ? 0.0f : e;
      s.notOwn[i] += own ? 0.0f : e;
      s.own[i] += own ? e : 0.0f;
      s.ownBelow[i] += own ? below : 0.0f;
      s.alpha[i] += own ? alpha : 0.0f;
    }
  }
}

/// A class of one row: p, 1 - p and -log p. `logSum` is log(1 + others).
struct Probability {
  float p, q, minusLog;
};

SPINEGRAD_INLINE Probability ownOf(const SoftmaxStrip& s, int64_t i, float logSum) {
  const float share = 1.0f / (1.0f + s.others[i]);
  return {s.own[i] * share, s.notOwn[i] * share, logSum - s.ownBelow[i]};
}

SPINEGRAD_INLINE Probability classOf(const SoftmaxStrip& s, int64_t c, int64_t i, float logSum) {
  const float e = s.exponentials[c * strip + i], below = s.x[c * strip + i] - s.most[i];
  const float others = s.others[i], share = 1.0f / (1.0f + others), p = e * share;
  const bool top = s.top[i] == static_cast<int32_t>(c);
  return {p, top ? others * share : 1.0f - p, top ? logSum : logSum - below};
}

/// The usual gamma needs no power.
template <bool square>
SPINEGRAD_INLINE float modulationOf(float q, float gamma) {
  return square ? q * q : power(q, gamma);
}

/// What a class of that weight adds to the loss.
template <bool square>
SPINEGRAD_INLINE float termOf(Probability one, float weight, float gamma) {
  const float term = weight * modulationOf<square>(one.q, gamma) * one.minusLog;
  return weight == 0 ? 0.0f : term;
}

/// weight * h.
template <bool square>
SPINEGRAD_INLINE float slopeOf(Probability one, float weight, float gamma) {
  const float ratio = one.q < std::numeric_limits<float>::min() ? 1.0f : one.minusLog / one.q;
  const float h = -modulationOf<square>(one.q, gamma) * (1.0f + gamma * one.p * ratio);
  return weight == 0 ? 0.0f : weight * h;
}

/// Label smoothing gives each class a share of its alpha, and the target's what is left of its own.
SPINEGRAD_INLINE float shareOf(Parameters parameters) {
  return parameters.smoothing / static_cast<float>(parameters.classes);
}
SPINEGRAD_INLINE float ownWeight(Parameters parameters, float alpha) {
  return alpha * (1.0f - parameters.smoothing) + alpha * shareOf(parameters);
}
SPINEGRAD_INLINE float otherWeight(float weight, int64_t c, int32_t target) {
  return (target == static_cast<int32_t>(c)) | (target < 0) ? 0.0f : weight;
}

template <bool square>
SPINEGRAD_INLINE Sums termsBy(const SoftmaxStrip& s, Parameters parameters) {
  float logSum[strip], terms[strip];
#pragma omp simd
  for (int64_t i = 0; i < strip; ++i) {
    logSum[i] = logarithm1p(s.others[i]);
    terms[i] = termOf<square>(ownOf(s, i, logSum[i]), ownWeight(parameters, s.alpha[i]), parameters.gamma);
  }
  for (int64_t c = 0; parameters.smoothing != 0 && c < parameters.classes; ++c) {
    const float share = parameters.alpha[c] * shareOf(parameters);
#pragma omp simd
    for (int64_t i = 0; i < strip; ++i) {
      const float weight = otherWeight(share, c, s.target[i]);
      terms[i] += termOf<square>(classOf(s, c, i, logSum[i]), weight, parameters.gamma);
    }
  }
  double total = 0, alphas = 0, count = 0;
#pragma omp simd reduction(+ : total, alphas, count)
  for (int64_t i = 0; i < strip; ++i) {
    total += terms[i];
    alphas += s.alpha[i];
    count += s.target[i] < 0 ? 0.0 : 1.0;
  }
  return {total, alphas, count};
}

/// The logits become their gradients: with W = weight * h a class, dx_c = W_c (1 - p_c) - p_c (sum of W - W_c).
template <bool square>
SPINEGRAD_INLINE void gradientBy(SoftmaxStrip& s, Parameters parameters, float factor) {
  const float none[strip] = {};
  float logSum[strip], own[strip], total[strip];
#pragma omp simd
  for (int64_t i = 0; i < strip; ++i) {
    logSum[i] = logarithm1p(s.others[i]);
    const float weight = factor * ownWeight(parameters, s.alpha[i]);
    total[i] = own[i] = slopeOf<square>(ownOf(s, i, logSum[i]), weight, parameters.gamma);
  }
  const bool smooth = parameters.smoothing != 0;
  for (int64_t c = 0; smooth && c < parameters.classes; ++c) {
    const float share = factor * parameters.alpha[c] * shareOf(parameters);
    float* slopes = s.slopes + c * strip;
#pragma omp simd
    for (int64_t i = 0; i < strip; ++i) {
      const float weight = otherWeight(share, c, s.target[i]);
      slopes[i] = slopeOf<square>(classOf(s, c, i, logSum[i]), weight, parameters.gamma);
      total[i] += slopes[i];
    }
  }
  for (int64_t c = 0; c < parameters.classes; ++c) {
    const float* slopes = smooth ? s.slopes + c * strip : none;
    float* x = s.x + c * strip;
#pragma omp simd
    for (int64_t i = 0; i < strip; ++i) {
      const Probability one = classOf(s, c, i, logSum[i]);
      const float slope = s.target[i] == static_cast<int32_t>(c) ? own[i] : slopes[i];
      const float dx = slope * one.q - one.p * (total[i] - slope);
      x[i] = s.target[i] < 0 ? 0.0f : dx;
    }
  }
}

SPINEGRAD_SIMD Sums softmaxTerms(const SoftmaxStrip& s, Parameters parameters) {
  return parameters.gamma == 2 ? termsBy<true>(s, parameters) : termsBy<false>(s, parameters);
}

SPINEGRAD_SIMD void softmaxGradient(SoftmaxStrip& s, Parameters parameters, float factor) {
  parameters.gamma == 2 ? gradientBy<true>(s, parameters, factor) : gradientBy<false>(s, parameters, factor);
}

/// Between rows of classes and a strip's classes of rows. Of three classes, the usual number, the compiler makes
/// shuffles.
SPINEGRAD_INLINE void exchange(float* strips, int64_t rows, int64_t classes, auto move) {
  if (rows == strip && classes == 3) {
    for (int64_t i = 0; i < strip; ++i) {
      for (int64_t c = 0; c < 3; ++c) move(strips[c * strip + i], i * 3 + c);
    }
  } else {
    for (int64_t c = 0; c < classes; ++c) {
      for (int64_t i = 0; i < rows; ++i) move(strips[c * strip + i], i * classes + c);
    }
  }
}

SPINEGRAD_SIMD void gatherLogits(const float* x, int64_t rows, int64_t classes, float* to) {
  exchange(to, rows, classes, [=](float& value, int64_t at) SPINEGRAD_LAMBDA { value = x[at]; });
}

SPINEGRAD_SIMD void scatterGradient(float* from, int64_t rows, int64_t classes, float* dx) {
  exchange(from, rows, classes, [=](float& value, int64_t at) SPINEGRAD_LAMBDA { dx[at] = value; });
}

/// Takes the targets of `rows` rows; -1: ignored. Returns whether all others are classes.
SPINEGRAD_SIMD bool takeTargets(const int32_t* target, int64_t rows, int32_t classes, int32_t ignore, int32_t* to) {
  int32_t invalid = 0;
#pragma omp simd reduction(| : invalid)
  for (int64_t i = 0; i < rows; ++i) {
    const int32_t ignored = target[i] == ignore;
    invalid |= !ignored & (static_cast<uint32_t>(target[i]) >= static_cast<uint32_t>(classes));
    to[i] = target[i] | -ignored;
  }
  return invalid == 0;
}

/// Fills a strip with `rows` rows; the lanes behind them are ignored rows of zeros. Returns whether the targets are
/// valid.
bool load(SoftmaxStrip& s, const float* x, const int32_t* target, int64_t rows, int64_t classes, int64_t ignoreIndex) {
  const bool valid =
      takeTargets(target, rows, static_cast<int32_t>(classes), static_cast<int32_t>(ignoreIndex), s.target);
  if (rows < strip) {
    std::fill_n(s.target + rows, strip - rows, -1);
    std::fill_n(s.x, strip * classes, 0.0f);
  }
  gatherLogits(x, rows, classes, s.x);
  return valid;
}

// ---- sigmoid: every element is a problem of its own ----

struct Binary {
  /// Loss of the positive answer at logit x, and its derivative by x.
  float term, slope;
};

SPINEGRAD_INLINE Binary positiveAnswer(float x, float gamma) {
  const float above = x > 0 ? x : 0.0f, below = x > 0 ? 0.0f : x;  // NaN goes below
  const float e = exponential(below - above);
  const float small = e / (1.0f + e), large = 1.0f / (1.0f + e), soft = logarithm1p(e);
  const float p = x > 0 ? large : small, q = x > 0 ? small : large;
  const float minusLog = soft - below;
  const float modulation = exponential(-gamma * (soft + above));  // q^gamma
  return {modulation * minusLog, -modulation * (q + gamma * p * minusLog)};
}

/// One element: what its two answers weigh, all 0 where the target is ignored.
struct Element {
  float x, yes, no, weight, count;
};

SPINEGRAD_INLINE Element elementOf(float x, float target, float alpha, float beta, float smoothing, float ignore) {
  const bool ignored = target == ignore;
  const float y = target * (1.0f - smoothing) + 0.5f * smoothing, count = ignored ? 0.0f : 1.0f;
  return {ignored ? 0.0f : x, count * y * alpha, count * (1.0f - y) * beta,
          count * (target * alpha + (1.0f - target) * beta), count};
}

/// `alpha` and `beta` weigh the positive and the negative answer of each element.
SPINEGRAD_SIMD Sums sigmoidTerms(const float* x, const float* target, const float* alpha, const float* beta,
                                 Parameters parameters, float ignore, int64_t count) {
  double terms = 0, weights = 0, counted = 0;
#pragma omp simd reduction(+ : terms, weights, counted)
  for (int64_t i = 0; i < count; ++i) {
    const Element one = elementOf(x[i], target[i], alpha[i], beta[i], parameters.smoothing, ignore);
    terms +=
        one.yes * positiveAnswer(one.x, parameters.gamma).term + one.no * positiveAnswer(-one.x, parameters.gamma).term;
    weights += one.weight;
    counted += one.count;
  }
  return {terms, weights, counted};
}

SPINEGRAD_SIMD void sigmoidGradient(const float* x, const float* target, const float* alpha, const float* beta,
                                    Parameters parameters, float ignore, float factor, float* dx, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const Element one = elementOf(x[i], target[i], alpha[i], beta[i], parameters.smoothing, ignore);
    dx[i] = factor * (one.yes * positiveAnswer(one.x, parameters.gamma).slope -
                      one.no * positiveAnswer(-one.x, parameters.gamma).slope);
  }
}

// ---- the operation ----

SPINEGRAD_SIMD bool sharesValid(const float* target, float ignore, int64_t count) {
  int32_t invalid = 0;
#pragma omp simd reduction(| : invalid)
  for (int64_t i = 0; i < count; ++i) invalid |= !(target[i] >= 0 && target[i] <= 1) && target[i] != ignore;
  return invalid == 0;
}

template <class Op>
Parameters parametersOf(const Op& op, const float* alpha) {
  return {op.logits.shape[1], static_cast<float>(op.gamma), static_cast<float>(op.labelSmoothing), alpha};
}

/// Adds up the strips in order; writes the loss and what backward divides by.
void finish(const FocalLossForward& op, const Workspace<Sums>& partials, int64_t count) {
  Sums total;
  for (int64_t index = 0; index < count; ++index) {
    const Sums& partial = partials[static_cast<size_t>(index)];
    total.terms += partial.terms;
    total.weights += partial.weights;
    total.count += partial.count;
  }
  if (total.count == 0) {
    throw Error("ERR_NO_TARGETS", "focalLoss(): targets: all are ignored (" + std::to_string(op.ignoreIndex) +
                                      "), expected at least one that counts");
  }
  if (op.reduction == Reduction::weightedMean && !(total.weights > 0)) {
    throw Error("ERR_NO_TARGETS", "focalLoss(): alpha of all targets is 0, so there is no weighted mean");
  }
  const double divisor = op.reduction == Reduction::sum    ? 1
                         : op.reduction == Reduction::mean ? total.count
                                                           : total.weights;
  *write<float>(op.loss) = static_cast<float>(total.terms / divisor);
  *write<float>(op.divisor) = static_cast<float>(divisor);
}

float factorOf(const FocalLossBackward& op) { return *read<float>(op.dy) / *read<float>(op.divisor); }

/// Throws of the first target that is no class.
void checkClasses(const int32_t* target, int64_t rows, int64_t classes, int64_t ignoreIndex) {
  for (int64_t n = 0; n < rows; ++n) {
    if ((target[n] >= 0 && target[n] < classes) || target[n] == ignoreIndex) continue;
    throw Error("ERR_TARGET", "focalLoss(): targets[" + std::to_string(n) + "]: found " + std::to_string(target[n]) +
                                  ", expected a class from 0 to " + std::to_string(classes - 1) + " or ignoreIndex " +
                                  std::to_string(ignoreIndex));
  }
}

void checkShares(const float* target, int64_t count, int64_t ignoreIndex) {
  const auto ignore = static_cast<float>(ignoreIndex);
  if (sharesValid(target, ignore, count)) return;
  for (int64_t i = 0; i < count; ++i) {
    if ((target[i] >= 0 && target[i] <= 1) || target[i] == ignore) continue;
    throw Error("ERR_TARGET", "focalLoss(): targets: element " + std::to_string(i) + " is " +
                                  std::to_string(target[i]) + ", expected 0 to 1 or ignoreIndex " +
                                  std::to_string(ignoreIndex));
  }
}

/// Calls visit(strip, its number, its first row, its rows, whether its targets are valid) for each strip, prepared, in
/// parallel.
template <class Op, class Visit>
void visitStrips(const Op& op, Parameters parameters, Visit visit) {
  const int64_t rows = op.logits.shape[0], classes = parameters.classes;
  const float* logits = read<float>(op.logits);
  const int32_t* targets = read<int32_t>(op.targets);
  const auto area = static_cast<size_t>(classes * strip);
  Workspace<float> memory(static_cast<size_t>(omp_get_max_threads()) * 3 * area);
#pragma omp parallel
  {
    SoftmaxStrip s;
    s.x = memory.data() + static_cast<size_t>(omp_get_thread_num()) * 3 * area;
    s.exponentials = s.x + area;
    s.slopes = s.exponentials + area;
#pragma omp for schedule(static)
    for (int64_t index = 0; index < stripsOf(rows); ++index) {
      const int64_t first = index * strip, count = std::min(strip, rows - first);
      const bool valid = load(s, logits + first * classes, targets + first, count, classes, op.ignoreIndex);
      prepareSoftmax(s, parameters);
      visit(s, index, first, count, valid);
    }
  }
}

void softmaxForward(const FocalLossForward& op) {
  const int64_t rows = op.logits.shape[0];
  const std::vector<float> alpha = classWeights(op.alpha, op.logits.shape[1]);
  const Parameters parameters = parametersOf(op, alpha.data());
  Workspace<Sums> partials(static_cast<size_t>(stripsOf(rows)));
  std::atomic<bool> allValid = true;
  visitStrips(op, parameters, [&](const SoftmaxStrip& s, int64_t index, int64_t, int64_t, bool valid) {
    partials[static_cast<size_t>(index)] = softmaxTerms(s, parameters);
    if (!valid) allValid = false;
  });
  if (!allValid) checkClasses(read<int32_t>(op.targets), rows, parameters.classes, op.ignoreIndex);
  finish(op, partials, stripsOf(rows));
}

void softmaxBackward(const FocalLossBackward& op) {
  const std::vector<float> alpha = classWeights(op.alpha, op.logits.shape[1]);
  const Parameters parameters = parametersOf(op, alpha.data());
  const int64_t classes = parameters.classes;
  const float factor = factorOf(op);
  float* gradient = write<float>(op.dx);
  visitStrips(op, parameters, [&](SoftmaxStrip& s, int64_t, int64_t first, int64_t count, bool) {
    softmaxGradient(s, parameters, factor);
    scatterGradient(s.x, count, classes, gradient + first * classes);
  });
}

/// Weights of the positive and the negative answer, element by element, for as many rows as a strip of elements takes.
struct SigmoidWeights {
  std::vector<float> alpha, beta;

  template <class Op>
  explicit SigmoidWeights(const Op& op) {
    const std::vector<float> weights = classWeights(op.alpha, op.logits.shape[1]);
    const size_t classes = weights.size();
    for (size_t i = 0; i < (1023 + classes) / classes * classes; ++i) {
      const float weight = weights[i % classes];
      alpha.push_back(weight);
      beta.push_back(op.alpha.empty() ? 1 : 1 - weight);
    }
  }
  int64_t length() const { return static_cast<int64_t>(alpha.size()); }
};

void sigmoidForward(const FocalLossForward& op) {
  const SigmoidWeights weights(op);
  const Parameters parameters = parametersOf(op, nullptr);
  const int64_t elements = op.logits.elements(), pieces = (elements + weights.length() - 1) / weights.length();
  const float* logits = read<float>(op.logits);
  const float* targets = read<float>(op.targets);
  checkShares(targets, elements, op.ignoreIndex);
  Workspace<Sums> partials(static_cast<size_t>(pieces));
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < pieces; ++index) {
    const int64_t first = index * weights.length();
    partials[static_cast<size_t>(index)] =
        sigmoidTerms(logits + first, targets + first, weights.alpha.data(), weights.beta.data(), parameters,
                     static_cast<float>(op.ignoreIndex), std::min(weights.length(), elements - first));
  }
  finish(op, partials, pieces);
}

void sigmoidBackward(const FocalLossBackward& op) {
  const SigmoidWeights weights(op);
  const Parameters parameters = parametersOf(op, nullptr);
  const int64_t elements = op.logits.elements(), pieces = (elements + weights.length() - 1) / weights.length();
  const float* logits = read<float>(op.logits);
  const float* targets = read<float>(op.targets);
  const float factor = factorOf(op);
  float* gradient = write<float>(op.dx);
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < pieces; ++index) {
    const int64_t first = index * weights.length();
    sigmoidGradient(logits + first, targets + first, weights.alpha.data(), weights.beta.data(), parameters,
                    static_cast<float>(op.ignoreIndex), factor, gradient + first,
                    std::min(weights.length(), elements - first));
  }
}

const Register<softmaxForward> registerSoftmaxForward("focalLoss.softmaxForward");
const Register<softmaxBackward> registerSoftmaxBackward("focalLoss.softmaxBackward");
const Register<sigmoidForward> registerSigmoidForward("focalLoss.sigmoidForward");
const Register<sigmoidBackward> registerSigmoidBackward("focalLoss.sigmoidBackward");

}  // namespace
}  // namespace spinegrad::cpu
