// The sigmoid form of focalLoss.h: every element is a binary problem, whose target is the probability of the positive
// answer. The sum of both answers' terms is y alpha L(x) + (1 - y) beta L(-x), with y the smoothed target and L the
// loss of the positive answer; 1 - sigmoid(x) is computed as sigmoid(-x).

#include <algorithm>
#include <string>
#include <vector>

#include "native/cpu/ops/focalLoss.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

/// L(x), and its derivative by x.
struct PositiveLoss {
  float term, derivative;
};

SPINEGRAD_INLINE PositiveLoss positiveLoss(float x, float gamma) {
  const float positivePart = x > 0 ? x : 0.0f, negativePart = x > 0 ? 0.0f : x;  // NaN is in the negative part
  const float e = exponential(negativePart - positivePart);
  const float small = e / (1.0f + e), large = 1.0f / (1.0f + e), softplus = logarithm1p(e);
  const float p = x > 0 ? large : small, q = x > 0 ? small : large;
  const float minusLog = softplus - negativePart;
  const float modulation = exponential(-gamma * (softplus + positivePart));  // q^gamma
  return {modulation * minusLog, -modulation * (q + gamma * p * minusLog)};
}

/// A logit with the weights of its positive and negative answer, all 0 if the target is ignored.
struct Element {
  float x, positive, negative, targetWeight, count;
};

/// A range of elements. `alpha` and `beta` are the weights of the positive and the negative answer of each.
struct Elements {
  const float *x, *target, *alpha, *beta;
  float ignore;
  int64_t count;
};

SPINEGRAD_INLINE Element elementAt(const Elements& elements, int64_t i, float smoothing) {
  const float target = elements.target[i], alpha = elements.alpha[i], beta = elements.beta[i];
  const bool ignored = target == elements.ignore;
  const float y = target * (1.0f - smoothing) + 0.5f * smoothing, count = ignored ? 0.0f : 1.0f;
  return {ignored ? 0.0f : elements.x[i], count * y * alpha, count * (1.0f - y) * beta,
          count * (target * alpha + (1.0f - target) * beta), count};
}

SPINEGRAD_SIMD FocalSums sumTerms(const Elements& elements, FocalParameters parameters) {
  const Elements all = elements;
  double terms = 0, weights = 0, count = 0;
#pragma omp simd reduction(+ : terms, weights, count)
  for (int64_t i = 0; i < all.count; ++i) {
    const Element one = elementAt(all, i, parameters.smoothing);
    terms += one.positive * positiveLoss(one.x, parameters.gamma).term +
             one.negative * positiveLoss(-one.x, parameters.gamma).term;
    weights += one.targetWeight;
    count += one.count;
  }
  return {terms, weights, count};
}

SPINEGRAD_SIMD void computeGradient(const Elements& elements, FocalParameters parameters, float scale, float* dx) {
  const Elements all = elements;
  for (int64_t i = 0; i < all.count; ++i) {
    const Element one = elementAt(all, i, parameters.smoothing);
    dx[i] = scale * (one.positive * positiveLoss(one.x, parameters.gamma).derivative -
                     one.negative * positiveLoss(-one.x, parameters.gamma).derivative);
  }
}

SPINEGRAD_SIMD bool targetsValid(const float* target, float ignore, int64_t count) {
  int32_t invalid = 0;
#pragma omp simd reduction(| : invalid)
  for (int64_t i = 0; i < count; ++i) invalid |= !(target[i] >= 0 && target[i] <= 1) && target[i] != ignore;
  return invalid == 0;
}

/// Throws ERR_TARGET for the first target that is not a probability.
void checkTargets(const float* target, int64_t count, int64_t ignoreIndex) {
  const auto ignore = static_cast<float>(ignoreIndex);
  if (targetsValid(target, ignore, count)) return;
  for (int64_t i = 0; i < count; ++i) {
    if ((target[i] >= 0 && target[i] <= 1) || target[i] == ignore) continue;
    throw Error("ERR_TARGET", "focalLoss(): targets: element " + std::to_string(i) + " is " +
                                  std::to_string(target[i]) + ", expected 0 to 1 or ignoreIndex " +
                                  std::to_string(ignoreIndex));
  }
}

/// The elements of a call in pieces of whole rows, about 1024 elements each.
class Pieces {
 public:
  template <class Op>
  explicit Pieces(const Op& op)
      : x_(read<float>(op.logits)),
        target_(read<float>(op.targets)),
        ignore_(static_cast<float>(op.ignoreIndex)),
        elements_(op.logits.elements()) {
    const std::vector<float> weights = classWeights(op.alpha, op.logits.shape[1]);
    const size_t classes = weights.size();
    for (size_t i = 0; i < (1023 + classes) / classes * classes; ++i) {
      const float weight = weights[i % classes];
      alpha_.push_back(weight);
      beta_.push_back(op.alpha.empty() ? 1 : 1 - weight);
    }
  }

  int64_t count() const { return (elements_ + size() - 1) / size(); }
  int64_t first(int64_t index) const { return index * size(); }
  Elements operator[](int64_t index) const {
    return {x_ + first(index), target_ + first(index),
            alpha_.data(),     beta_.data(),
            ignore_,           std::min(size(), elements_ - first(index))};
  }

 private:
  int64_t size() const { return static_cast<int64_t>(alpha_.size()); }

  const float *x_, *target_;
  const float ignore_;
  const int64_t elements_;
  std::vector<float> alpha_, beta_;
};

void forward(const FocalLossForward& op) {
  checkTargets(read<float>(op.targets), op.targets.elements(), op.ignoreIndex);
  const FocalParameters parameters(op);
  const Pieces pieces(op);
  Workspace<FocalSums> parts(static_cast<size_t>(pieces.count()));
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < pieces.count(); ++index) {
    parts[static_cast<size_t>(index)] = sumTerms(pieces[index], parameters);
  }
  writeFocalLoss(op, parts, pieces.count());
}

void backward(const FocalLossBackward& op) {
  const FocalParameters parameters(op);
  const Pieces pieces(op);
  const float scale = focalGradientScale(op);
  float* dx = write<float>(op.dx);
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < pieces.count(); ++index) {
    computeGradient(pieces[index], parameters, scale, dx + pieces.first(index));
  }
}

const Register<forward> registerForward("focalLoss.sigmoidForward");
const Register<backward> registerBackward("focalLoss.sigmoidBackward");

}  // namespace
}  // namespace spinegrad::cpu
