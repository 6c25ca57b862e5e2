// The softmax form of focalLoss.h: one class of each row is the target. Label smoothing adds a term per class.
//
// The largest logit is left out of the sum of exponentials: with S the sum of the others relative to it, the class of
// the largest logit has -log p = log1p(S) and 1 - p = S / (1 + S).
//
// Rows are processed in strips that are stored transposed, x[class][row], so that the loops run over rows. A row of
// three classes would not fill a vector register.

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <string>
#include <vector>

#include "native/cpu/ops/focalLoss.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

constexpr int64_t strip = 64;
int64_t stripsOf(int64_t rows) { return (rows + strip - 1) / strip; }

struct Parameters : FocalParameters {
  int64_t classes;
  const float* alpha;  ///< per class

  template <class Op>
  Parameters(const Op& op, const std::vector<float>& weights)
      : FocalParameters(op), classes(static_cast<int64_t>(weights.size())), alpha(weights.data()) {}
};

/// `strip` rows, with the logits as x[class][row].
struct Strip {
  float *x, *exponentials, *derivatives;
  int32_t target[strip];  ///< -1 if ignored
  int32_t argmax[strip];
  float max[strip];            ///< the largest logit
  float sumExpNonMax[strip];   ///< sum of exp(x - max) over the classes except argmax
  float targetShifted[strip];  ///< x - max of the target
  float targetExp[strip], sumExpNonTarget[strip], targetAlpha[strip];
};

/// Selected values are added to 0, because GCC compiles `a = selected ? b : a` to a slow masked store.
SPINEGRAD_SIMD void prepare(Strip& s, Parameters parameters) {
  for (int64_t i = 0; i < strip; ++i) {
    s.max[i] = s.x[i];
    s.argmax[i] = -1;
    s.sumExpNonMax[i] = s.targetShifted[i] = s.targetExp[i] = s.sumExpNonTarget[i] = s.targetAlpha[i] = 0;
  }
  for (int64_t c = 1; c < parameters.classes; ++c) {
    const float* x = s.x + c * strip;
#pragma omp simd
    for (int64_t i = 0; i < strip; ++i) s.max[i] = x[i] > s.max[i] ? x[i] : s.max[i];
  }
  for (int64_t c = 0; c < parameters.classes; ++c) {
    const auto index = static_cast<int32_t>(c);
    const float *x = s.x + c * strip, alpha = parameters.alpha[c];
    float* exponentials = s.exponentials + c * strip;
#pragma omp simd
    for (int64_t i = 0; i < strip; ++i) {
      const bool isMax = x[i] == s.max[i] && s.argmax[i] < 0, isTarget = s.target[i] == index;
      const float shifted = isMax ? 0.0f : x[i] - s.max[i], e = exponential(shifted);
      exponentials[i] = e;
      s.argmax[i] += isMax ? index + 1 : 0;
      s.sumExpNonMax[i] += isMax ? 0.0f : e;
      s.sumExpNonTarget[i] += isTarget ? 0.0f : e;
      s.targetExp[i] += isTarget ? e : 0.0f;
      s.targetShifted[i] += isTarget ? shifted : 0.0f;
      s.targetAlpha[i] += isTarget ? alpha : 0.0f;
    }
  }
}

/// p, 1 - p and -log p of one class of one row.
struct Probability {
  float p, complement, minusLog;
};

/// `logSum` is log(1 + sumExpNonMax).
SPINEGRAD_INLINE Probability targetProbability(const Strip& s, int64_t i, float logSum) {
  const float scale = 1.0f / (1.0f + s.sumExpNonMax[i]);
  return {s.targetExp[i] * scale, s.sumExpNonTarget[i] * scale, logSum - s.targetShifted[i]};
}

SPINEGRAD_INLINE Probability classProbability(const Strip& s, int64_t c, int64_t i, float logSum) {
  const float e = s.exponentials[c * strip + i], shifted = s.x[c * strip + i] - s.max[i];
  const float nonMax = s.sumExpNonMax[i], scale = 1.0f / (1.0f + nonMax), p = e * scale;
  const bool isMax = s.argmax[i] == static_cast<int32_t>(c);
  return {p, isMax ? nonMax * scale : 1.0f - p, isMax ? logSum : logSum - shifted};
}

/// q^gamma for 0 <= q <= 1 and gamma >= 0.
SPINEGRAD_INLINE float power(float q, float gamma) {
  const float y = exponential(gamma * logarithm(q));
  const float atZero = gamma == 0 ? 1.0f : 0.0f;
  return q < std::numeric_limits<float>::min() ? atZero : y;
}

/// (1 - p)^gamma. `square`: gamma is 2, the default.
template <bool square>
SPINEGRAD_INLINE float modulation(float q, float gamma) {
  return square ? q * q : power(q, gamma);
}

template <bool square>
SPINEGRAD_INLINE float termOf(Probability one, float weight, float gamma) {
  const float term = weight * modulation<square>(one.complement, gamma) * one.minusLog;
  return weight == 0 ? 0.0f : term;
}

/// The derivative of a term by log p.
template <bool square>
SPINEGRAD_INLINE float derivativeOf(Probability one, float weight, float gamma) {
  const float ratio = one.complement < std::numeric_limits<float>::min() ? 1.0f : one.minusLog / one.complement;
  const float h = -modulation<square>(one.complement, gamma) * (1.0f + gamma * one.p * ratio);
  return weight == 0 ? 0.0f : weight * h;
}

/// Label smoothing gives every class this fraction of its alpha, and the target the rest of its alpha.
SPINEGRAD_INLINE float smoothingPerClass(Parameters parameters) {
  return parameters.smoothing / static_cast<float>(parameters.classes);
}
SPINEGRAD_INLINE float targetWeight(Parameters parameters, float alpha) {
  return alpha * (1.0f - parameters.smoothing) + alpha * smoothingPerClass(parameters);
}
/// `weight` for a class that is not the target of a row that counts.
SPINEGRAD_INLINE float nonTargetWeight(float weight, int64_t c, int32_t target) {
  return (target == static_cast<int32_t>(c)) | (target < 0) ? 0.0f : weight;
}

template <bool square>
SPINEGRAD_INLINE FocalSums sumTermsBy(const Strip& s, Parameters parameters) {
  float logSum[strip], terms[strip];
#pragma omp simd
  for (int64_t i = 0; i < strip; ++i) {
    logSum[i] = logarithm1p(s.sumExpNonMax[i]);
    const float weight = targetWeight(parameters, s.targetAlpha[i]);
    terms[i] = termOf<square>(targetProbability(s, i, logSum[i]), weight, parameters.gamma);
  }
  for (int64_t c = 0; parameters.smoothing != 0 && c < parameters.classes; ++c) {
    const float classWeight = parameters.alpha[c] * smoothingPerClass(parameters);
#pragma omp simd
    for (int64_t i = 0; i < strip; ++i) {
      const float weight = nonTargetWeight(classWeight, c, s.target[i]);
      terms[i] += termOf<square>(classProbability(s, c, i, logSum[i]), weight, parameters.gamma);
    }
  }
  double total = 0, weights = 0, count = 0;
#pragma omp simd reduction(+ : total, weights, count)
  for (int64_t i = 0; i < strip; ++i) {
    total += terms[i];
    weights += s.targetAlpha[i];
    count += s.target[i] < 0 ? 0.0 : 1.0;
  }
  return {total, weights, count};
}

/// Replaces the logits by their gradients. With D_c the derivative of the loss by log p_c,
/// dx_c = D_c (1 - p_c) - p_c (sum of D - D_c).
template <bool square>
SPINEGRAD_INLINE void gradientBy(Strip& s, Parameters parameters, float scale) {
  const float zeros[strip] = {};
  float logSum[strip], targetDerivative[strip], total[strip];
#pragma omp simd
  for (int64_t i = 0; i < strip; ++i) {
    logSum[i] = logarithm1p(s.sumExpNonMax[i]);
    const float weight = scale * targetWeight(parameters, s.targetAlpha[i]);
    total[i] = targetDerivative[i] = derivativeOf<square>(targetProbability(s, i, logSum[i]), weight, parameters.gamma);
  }
  const bool smooth = parameters.smoothing != 0;
  for (int64_t c = 0; smooth && c < parameters.classes; ++c) {
    const float classWeight = scale * parameters.alpha[c] * smoothingPerClass(parameters);
    float* derivatives = s.derivatives + c * strip;
#pragma omp simd
    for (int64_t i = 0; i < strip; ++i) {
      const float weight = nonTargetWeight(classWeight, c, s.target[i]);
      derivatives[i] = derivativeOf<square>(classProbability(s, c, i, logSum[i]), weight, parameters.gamma);
      total[i] += derivatives[i];
    }
  }
  for (int64_t c = 0; c < parameters.classes; ++c) {
    const float* derivatives = smooth ? s.derivatives + c * strip : zeros;
    float* x = s.x + c * strip;
#pragma omp simd
    for (int64_t i = 0; i < strip; ++i) {
      const Probability one = classProbability(s, c, i, logSum[i]);
      const float derivative = s.target[i] == static_cast<int32_t>(c) ? targetDerivative[i] : derivatives[i];
      const float dx = derivative * one.complement - one.p * (total[i] - derivative);
      x[i] = s.target[i] < 0 ? 0.0f : dx;
    }
  }
}

SPINEGRAD_SIMD FocalSums sumTerms(const Strip& s, Parameters parameters) {
  return parameters.gamma == 2 ? sumTermsBy<true>(s, parameters) : sumTermsBy<false>(s, parameters);
}

SPINEGRAD_SIMD void computeGradient(Strip& s, Parameters parameters, float scale) {
  parameters.gamma == 2 ? gradientBy<true>(s, parameters, scale) : gradientBy<false>(s, parameters, scale);
}

/// Calls move(value of the strip, index of the value in the rows). The compiler turns three classes into shuffles.
SPINEGRAD_INLINE void transposeStrip(float* values, int64_t rows, int64_t classes, auto move) {
  if (rows == strip && classes == 3) {
    for (int64_t i = 0; i < strip; ++i) {
      for (int64_t c = 0; c < 3; ++c) move(values[c * strip + i], i * 3 + c);
    }
  } else {
    for (int64_t c = 0; c < classes; ++c) {
      for (int64_t i = 0; i < rows; ++i) move(values[c * strip + i], i * classes + c);
    }
  }
}

SPINEGRAD_SIMD void loadLogits(const float* x, int64_t rows, int64_t classes, float* to) {
  transposeStrip(to, rows, classes, [=](float& value, int64_t index) SPINEGRAD_LAMBDA { value = x[index]; });
}

SPINEGRAD_SIMD void storeGradient(float* from, int64_t rows, int64_t classes, float* dx) {
  transposeStrip(from, rows, classes, [=](float& value, int64_t index) SPINEGRAD_LAMBDA { dx[index] = value; });
}

/// Copies targets, ignored ones as -1. Returns whether the others are classes.
SPINEGRAD_SIMD bool loadTargets(const int32_t* target, int64_t rows, int32_t classes, int32_t ignore, int32_t* to) {
  int32_t invalid = 0;
#pragma omp simd reduction(| : invalid)
  for (int64_t i = 0; i < rows; ++i) {
    const int32_t ignored = target[i] == ignore;
    invalid |= !ignored & (static_cast<uint32_t>(target[i]) >= static_cast<uint32_t>(classes));
    to[i] = target[i] | -ignored;
  }
  return invalid == 0;
}

/// Calls visit(strip, index, first row, number of rows, whether the targets are valid) for each prepared strip, in
/// parallel. The last strip is filled up with ignored rows of zeros.
template <class Op, class Visit>
void visitStrips(const Op& op, Parameters parameters, Visit visit) {
  const int64_t rows = op.logits.shape[0], classes = parameters.classes;
  const auto ignore = static_cast<int32_t>(op.ignoreIndex);
  const float* logits = read<float>(op.logits);
  const int32_t* targets = read<int32_t>(op.targets);
  const auto area = static_cast<size_t>(classes * strip);
  Workspace<float> memory(static_cast<size_t>(omp_get_max_threads()) * 3 * area);
#pragma omp parallel
  {
    Strip s;
    s.x = memory.data() + static_cast<size_t>(omp_get_thread_num()) * 3 * area;
    s.exponentials = s.x + area;
    s.derivatives = s.exponentials + area;
#pragma omp for schedule(static)
    for (int64_t index = 0; index < stripsOf(rows); ++index) {
      const int64_t first = index * strip, count = std::min(strip, rows - first);
      const bool valid = loadTargets(targets + first, count, static_cast<int32_t>(classes), ignore, s.target);
      if (count < strip) {
        std::fill_n(s.target + count, strip - count, -1);
        std::fill_n(s.x, area, 0.0f);
      }
      loadLogits(logits + first * classes, count, classes, s.x);
      prepare(s, parameters);
      visit(s, index, first, count, valid);
    }
  }
}

/// Throws ERR_TARGET for the first target that is not a class.
void checkTargets(const int32_t* target, int64_t rows, int64_t classes, int64_t ignoreIndex) {
  for (int64_t n = 0; n < rows; ++n) {
    if ((target[n] >= 0 && target[n] < classes) || target[n] == ignoreIndex) continue;
    throw Error("ERR_TARGET", "focalLoss(): targets[" + std::to_string(n) + "]: found " + std::to_string(target[n]) +
                                  ", expected a class from 0 to " + std::to_string(classes - 1) + " or ignoreIndex " +
                                  std::to_string(ignoreIndex));
  }
}

void forward(const FocalLossForward& op) {
  const int64_t rows = op.logits.shape[0];
  const std::vector<float> alpha = classWeights(op.alpha, op.logits.shape[1]);
  const Parameters parameters(op, alpha);
  Workspace<FocalSums> parts(static_cast<size_t>(stripsOf(rows)));
  std::atomic<bool> allValid = true;
  visitStrips(op, parameters, [&](const Strip& s, int64_t index, int64_t, int64_t, bool valid) {
    parts[static_cast<size_t>(index)] = sumTerms(s, parameters);
    if (!valid) allValid = false;
  });
  if (!allValid) checkTargets(read<int32_t>(op.targets), rows, parameters.classes, op.ignoreIndex);
  writeFocalLoss(op, parts, stripsOf(rows));
}

void backward(const FocalLossBackward& op) {
  const std::vector<float> alpha = classWeights(op.alpha, op.logits.shape[1]);
  const Parameters parameters(op, alpha);
  const int64_t classes = parameters.classes;
  const float scale = focalGradientScale(op);
  float* dx = write<float>(op.dx);
  visitStrips(op, parameters, [&](Strip& s, int64_t, int64_t first, int64_t count, bool) {
    computeGradient(s, parameters, scale);
    storeGradient(s.x, count, classes, dx + first * classes);
  });
}

const Register<forward> registerForward("focalLoss.softmaxForward");
const Register<backward> registerBackward("focalLoss.softmaxBackward");

}  // namespace
}  // namespace spinegrad::cpu
