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
#include <limits>
#include <string>
#include <vector>

#include "native/cpu/device.h"
#include "native/cpu/math.h"
#include "native/cpu/memory.h"
#include "native/cpu/simd.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

using Reduction = FocalLossAttributes::Reduction;

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
  float *x, *exponentials, *weighted;
  int32_t target[strip], top[strip];
  float most[strip], others[strip];
};

/// The largest logit of each row, and the sum of exponentials of the others relative to it.
SPINEGRAD_SIMD void prepareSoftmax(SoftmaxStrip& s, int64_t classes) {
  for (int64_t i = 0; i < strip; ++i) {
    s.most[i] = s.x[i];
    s.top[i] = 0;
    s.others[i] = 0;
  }
  for (int64_t c = 1; c < classes; ++c) {
    for (int64_t i = 0; i < strip; ++i) {
      const bool higher = s.x[c * strip + i] > s.most[i];
      s.most[i] = higher ? s.x[c * strip + i] : s.most[i];
      s.top[i] = higher ? static_cast<int32_t>(c) : s.top[i];
    }
  }
  for (int64_t c = 0; c < classes; ++c) {
    for (int64_t i = 0; i < strip; ++i) {
      const float e = exponential(s.x[c * strip + i] - s.most[i]);
      s.exponentials[c * strip + i] = e;
      s.others[i] += s.top[i] == static_cast<int32_t>(c) ? 0.0f : e;
    }
  }
}

/// Class c of one row: p, 1 - p and -log p.
struct Probability {
  float p, q, minusLog;
};

SPINEGRAD_INLINE Probability softmaxOf(const SoftmaxStrip& s, int64_t c, int64_t i, float logSum) {
  const float e = s.exponentials[c * strip + i], below = s.x[c * strip + i] - s.most[i], others = s.others[i];
  const float total = 1.0f + others, p = e / total;
  const bool top = s.top[i] == static_cast<int32_t>(c);
  return {top ? 1.0f / total : p, top ? others / total : 1.0f - p, top ? logSum : logSum - below};
}

SPINEGRAD_INLINE float weightOf(Parameters parameters, int64_t c, int32_t target) {
  const float alpha = parameters.alpha[c],
              uniform = alpha * parameters.smoothing / static_cast<float>(parameters.classes);
  const float own = alpha * (1.0f - parameters.smoothing) + uniform;
  const float weight = target == static_cast<int32_t>(c) ? own : uniform;
  return target < 0 ? 0.0f : weight;
}

/// The usual gamma needs no power.
template <bool square>
SPINEGRAD_INLINE float modulationOf(float q, float gamma) {
  return square ? q * q : power(q, gamma);
}

/// What class c of row i adds to the loss.
template <bool square>
SPINEGRAD_INLINE float termOf(const SoftmaxStrip& s, Parameters parameters, int64_t c, int64_t i, float logSum) {
  const Probability one = softmaxOf(s, c, i, logSum);
  const float weight = weightOf(parameters, c, s.target[i]);
  const float term = weight * modulationOf<square>(one.q, parameters.gamma) * one.minusLog;
  return weight == 0 ? 0.0f : term;
}

/// weight * h of class c of row i.
template <bool square>
SPINEGRAD_INLINE float slopeOf(const SoftmaxStrip& s, Parameters parameters, float factor, int64_t c, int64_t i,
                               float logSum) {
  const Probability one = softmaxOf(s, c, i, logSum);
  const float weight = factor * weightOf(parameters, c, s.target[i]);
  const float ratio = one.q < std::numeric_limits<float>::min() ? 1.0f : one.minusLog / one.q;
  const float h = -modulationOf<square>(one.q, parameters.gamma) * (1.0f + parameters.gamma * one.p * ratio);
  return weight == 0 ? 0.0f : weight * h;
}

/// The only class of row i that weighs anything without label smoothing; any one where the target is ignored.
SPINEGRAD_INLINE int32_t onlyClass(const SoftmaxStrip& s, int64_t i) { return s.target[i] < 0 ? 0 : s.target[i]; }

template <bool square>
SPINEGRAD_INLINE double termsBy(const SoftmaxStrip& s, Parameters parameters) {
  float logSum[strip], terms[strip];
  for (int64_t i = 0; i < strip; ++i) {
    logSum[i] = logarithm1p(s.others[i]);
    terms[i] = 0;
  }
  if (parameters.smoothing == 0) {
    for (int64_t i = 0; i < strip; ++i) terms[i] = termOf<square>(s, parameters, onlyClass(s, i), i, logSum[i]);
  } else {
    for (int64_t c = 0; c < parameters.classes; ++c) {
      for (int64_t i = 0; i < strip; ++i) terms[i] += termOf<square>(s, parameters, c, i, logSum[i]);
    }
  }
  double total = 0;
  for (int64_t i = 0; i < strip; ++i) total += terms[i];
  return total;
}

/// The logits become their gradients: with W = weight * h a class, dx_c = W_c (1 - p_c) - p_c (sum of W - W_c).
template <bool square>
SPINEGRAD_INLINE void gradientBy(SoftmaxStrip& s, Parameters parameters, float factor) {
  float logSum[strip], total[strip];
  for (int64_t i = 0; i < strip; ++i) {
    logSum[i] = logarithm1p(s.others[i]);
    total[i] = 0;
  }
  if (parameters.smoothing != 0) {
    for (int64_t c = 0; c < parameters.classes; ++c) {
      for (int64_t i = 0; i < strip; ++i) {
        const float slope = slopeOf<square>(s, parameters, factor, c, i, logSum[i]);
        s.weighted[c * strip + i] = slope;
        total[i] += slope;
      }
    }
  } else {
    for (int64_t i = 0; i < strip; ++i) {
      total[i] = slopeOf<square>(s, parameters, factor, onlyClass(s, i), i, logSum[i]);
    }
    for (int64_t c = 0; c < parameters.classes; ++c) {
      for (int64_t i = 0; i < strip; ++i) s.weighted[c * strip + i] = s.target[i] == c ? total[i] : 0.0f;
    }
  }
  for (int64_t c = 0; c < parameters.classes; ++c) {
    for (int64_t i = 0; i < strip; ++i) {
      const Probability one = softmaxOf(s, c, i, logSum[i]);
      const float own = s.weighted[c * strip + i];
      const float dx = own * one.q - one.p * (total[i] - own);
      s.x[c * strip + i] = s.target[i] < 0 ? 0.0f : dx;
    }
  }
}

SPINEGRAD_SIMD double softmaxTerms(const SoftmaxStrip& s, Parameters parameters) {
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

/// Fills a strip with `rows` rows of the logits; the lanes behind them are ignored rows of zeros.
void load(SoftmaxStrip& s, const float* x, const int32_t* target, int64_t rows, int64_t classes, int64_t ignoreIndex) {
  for (int64_t i = 0; i < strip; ++i) s.target[i] = i < rows && target[i] != ignoreIndex ? target[i] : -1;
  if (rows < strip) std::fill_n(s.x, strip * classes, 0.0f);
  gatherLogits(x, rows, classes, s.x);
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

SPINEGRAD_SIMD bool classesValid(const int32_t* target, int32_t classes, int32_t ignore, int64_t count) {
  int32_t invalid = 0;
#pragma omp simd reduction(| : invalid)
  for (int64_t i = 0; i < count; ++i) invalid |= (target[i] < 0 || target[i] >= classes) && target[i] != ignore;
  return invalid == 0;
}

SPINEGRAD_SIMD bool sharesValid(const float* target, float ignore, int64_t count) {
  int32_t invalid = 0;
#pragma omp simd reduction(| : invalid)
  for (int64_t i = 0; i < count; ++i) invalid |= !(target[i] >= 0 && target[i] <= 1) && target[i] != ignore;
  return invalid == 0;
}

Parameters parametersOf(const FocalLossAttributes& attributes, const float* alpha) {
  return {static_cast<int64_t>(attributes.alpha.size()), static_cast<float>(attributes.gamma),
          static_cast<float>(attributes.labelSmoothing), alpha};
}

/// Adds up the strips in order; writes the loss and what backward divides by.
void finish(const Call& call, const FocalLossAttributes& attributes, const Workspace<Sums>& partials, int64_t count) {
  Sums total;
  for (int64_t index = 0; index < count; ++index) {
    const Sums& partial = partials[static_cast<size_t>(index)];
    total.terms += partial.terms;
    total.weights += partial.weights;
    total.count += partial.count;
  }
  if (total.count == 0) {
    throw Error("ERR_NO_TARGETS", "focalLoss(): targets: all are ignored (" + std::to_string(attributes.ignoreIndex) +
                                      "), expected at least one that counts");
  }
  if (attributes.reduction == Reduction::weightedMean && !(total.weights > 0)) {
    throw Error("ERR_NO_TARGETS", "focalLoss(): alpha of all targets is 0, so there is no weighted mean");
  }
  const double divisor = attributes.reduction == Reduction::sum    ? 1
                         : attributes.reduction == Reduction::mean ? total.count
                                                                   : total.weights;
  *write<float>(call.out(0)) = static_cast<float>(total.terms / divisor);
  *write<float>(call.out(1)) = static_cast<float>(divisor);
}

/// in: ..., divisor, dy [1]
float factorOf(const Call& call) { return *read<float>(call.in(3)) / *read<float>(call.in(2)); }

void checkClasses(const int32_t* target, int64_t rows, int64_t classes, int64_t ignoreIndex) {
  if (classesValid(target, static_cast<int32_t>(classes), static_cast<int32_t>(ignoreIndex), rows)) return;
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

/// Calls visit(strip, its number, its first row, its rows) for each strip, prepared, in parallel.
template <class Visit>
void visitStrips(const Call& call, const FocalLossAttributes& attributes, Visit visit) {
  const int64_t rows = call.in(0).shape[0], classes = call.in(0).shape[1];
  const float* logits = read<float>(call.in(0));
  const int32_t* targets = read<int32_t>(call.in(1));
  const auto area = static_cast<size_t>(classes * strip);
  Workspace<float> memory(static_cast<size_t>(omp_get_max_threads()) * 3 * area);
#pragma omp parallel
  {
    SoftmaxStrip s;
    s.x = memory.data() + static_cast<size_t>(omp_get_thread_num()) * 3 * area;
    s.exponentials = s.x + area;
    s.weighted = s.exponentials + area;
#pragma omp for schedule(static)
    for (int64_t index = 0; index < stripsOf(rows); ++index) {
      const int64_t first = index * strip, count = std::min(strip, rows - first);
      load(s, logits + first * classes, targets + first, count, classes, attributes.ignoreIndex);
      prepareSoftmax(s, classes);
      visit(s, index, first, count);
    }
  }
}

void softmaxForward(const Call& call) {
  const FocalLossAttributes attributes(call);
  const int64_t rows = call.in(0).shape[0], classes = call.in(0).shape[1];
  checkClasses(read<int32_t>(call.in(1)), rows, classes, attributes.ignoreIndex);
  const Parameters parameters = parametersOf(attributes, attributes.alpha.data());
  Workspace<Sums> partials(static_cast<size_t>(stripsOf(rows)));
  visitStrips(call, attributes, [&](const SoftmaxStrip& s, int64_t index, int64_t, int64_t count) {
    Sums sums{softmaxTerms(s, parameters), 0, 0};
    for (int64_t i = 0; i < count; ++i) {
      if (s.target[i] < 0) continue;
      sums.weights += parameters.alpha[s.target[i]];
      sums.count += 1;
    }
    partials[static_cast<size_t>(index)] = sums;
  });
  finish(call, attributes, partials, stripsOf(rows));
}

void softmaxBackward(const Call& call) {
  const FocalLossAttributes attributes(call);
  const int64_t classes = call.in(0).shape[1];
  const Parameters parameters = parametersOf(attributes, attributes.alpha.data());
  const float factor = factorOf(call);
  float* gradient = write<float>(call.out(0));
  visitStrips(call, attributes, [&](SoftmaxStrip& s, int64_t, int64_t first, int64_t count) {
    softmaxGradient(s, parameters, factor);
    scatterGradient(s.x, count, classes, gradient + first * classes);
  });
}

/// Weights of the positive and the negative answer, element by element, for as many rows as a strip of elements takes.
struct SigmoidWeights {
  std::vector<float> alpha, beta;

  explicit SigmoidWeights(const FocalLossAttributes& attributes) {
    const size_t classes = attributes.alpha.size();
    for (size_t i = 0; i < (1023 + classes) / classes * classes; ++i) {
      const float weight = attributes.alpha[i % classes];
      alpha.push_back(attributes.weighted ? weight : 1);
      beta.push_back(attributes.weighted ? 1 - weight : 1);
    }
  }
  int64_t length() const { return static_cast<int64_t>(alpha.size()); }
};

void sigmoidForward(const Call& call) {
  const FocalLossAttributes attributes(call);
  const SigmoidWeights weights(attributes);
  const Parameters parameters = parametersOf(attributes, nullptr);
  const int64_t elements = call.in(0).elements(), pieces = (elements + weights.length() - 1) / weights.length();
  const float* logits = read<float>(call.in(0));
  const float* targets = read<float>(call.in(1));
  checkShares(targets, elements, attributes.ignoreIndex);
  Workspace<Sums> partials(static_cast<size_t>(pieces));
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < pieces; ++index) {
    const int64_t first = index * weights.length();
    partials[static_cast<size_t>(index)] =
        sigmoidTerms(logits + first, targets + first, weights.alpha.data(), weights.beta.data(), parameters,
                     static_cast<float>(attributes.ignoreIndex), std::min(weights.length(), elements - first));
  }
  finish(call, attributes, partials, pieces);
}

void sigmoidBackward(const Call& call) {
  const FocalLossAttributes attributes(call);
  const SigmoidWeights weights(attributes);
  const Parameters parameters = parametersOf(attributes, nullptr);
  const int64_t elements = call.in(0).elements(), pieces = (elements + weights.length() - 1) / weights.length();
  const float* logits = read<float>(call.in(0));
  const float* targets = read<float>(call.in(1));
  const float factor = factorOf(call);
  float* gradient = write<float>(call.out(0));
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < pieces; ++index) {
    const int64_t first = index * weights.length();
    sigmoidGradient(logits + first, targets + first, weights.alpha.data(), weights.beta.data(), parameters,
                    static_cast<float>(attributes.ignoreIndex), factor, gradient + first,
                    std::min(weights.length(), elements - first));
  }
}

const Register registerSoftmaxForward("focalLoss.softmaxForward", softmaxForward);
const Register registerSoftmaxBackward("focalLoss.softmaxBackward", softmaxBackward);
const Register registerSigmoidForward("focalLoss.sigmoidForward", sigmoidForward);
const Register registerSigmoidBackward("focalLoss.sigmoidBackward", sigmoidBackward);

}  // namespace
}  // namespace spinegrad::cpu
