// The contracts of all operations. Both backends read them here; TypeScript states the same fields where it calls the
// operation (ts/engine/ops). Names of gradients: dy is the gradient of the output y, dx that of the input x.
#pragma once

#include <cmath>
#include <vector>

#include "native/engine/contract.h"
#include "native/engine/stepFactors.h"

namespace spinegrad {

// Shared by operations with nothing but tensors.
SPINEGRAD_CONTRACT(Forward, (Input, x), (Output, y));
SPINEGRAD_CONTRACT(Backward, (Input, dy), (Output, dx));
SPINEGRAD_CONTRACT(BackwardFromOutput, (Input, y), (Input, dy), (Output, dx));
SPINEGRAD_CONTRACT(BiasGrad, (Input, dy), (Output, db));

// Elementwise operations. `saved` is x or y, as the gradient requires.
SPINEGRAD_CONTRACT(UnaryBackward, (Input, saved), (Input, dy), (Output, dx));
SPINEGRAD_CONTRACT(BinaryForward, (Input, a), (Input, b), (Output, y));
SPINEGRAD_CONTRACT(MulScale, (Input, a), (Output, y), (Real, factor));

SPINEGRAD_CONTRACT(FullForward, (Output, y), (Real, value));
SPINEGRAD_CONTRACT(GatherForward, (Input, x), (Input, indices), (Output, y));
SPINEGRAD_CONTRACT(GatherBackward, (Input, dy), (Input, indices), (Output, dx));
SPINEGRAD_CONTRACT(DropoutForward, (Input, x), (Output, y), (Real, probability), (Uint32, seed), (Uint32, step));

SPINEGRAD_CONTRACT(LinearFprop, (Input, x), (Input, weight), (OptionalInput, bias), (Output, y));
SPINEGRAD_CONTRACT(LinearDgrad, (Input, dy), (Input, weight), (Output, dx));
SPINEGRAD_CONTRACT(LinearWgrad, (Input, x), (Input, dy), (Output, dw));

// axis: 0 or 1. The dx of one input: `first` is its first channel (or row) in dy.
SPINEGRAD_CONTRACT(ConcatForward, (InputList, inputs), (Output, y), (Integer, axis));
SPINEGRAD_CONTRACT(ConcatBackward, (Input, dy), (Output, dx), (Integer, first), (Integer, axis));
SPINEGRAD_CONTRACT(Upsample2dForward, (Input, x), (Output, y), (Integer, scale));
SPINEGRAD_CONTRACT(Upsample2dBackward, (Input, dy), (Output, dx), (Integer, scale));

#define SPINEGRAD_STRIDE_AND_PADDING (Integer, strideH), (Integer, strideW), (Integer, padH), (Integer, padW)

SPINEGRAD_CONTRACT(Conv2dFprop, (Input, x), (Input, weight), (OptionalInput, bias), (OptionalInput, residual),
                   (Output, y), SPINEGRAD_STRIDE_AND_PADDING, (Flag, relu),
                   // A training batch norm reads y: the channel statistics may be computed here and kept for it.
                   (Flag, forBatchNorm));
SPINEGRAD_CONTRACT(Conv2dDgrad, (Input, dy), (Input, weight), (Output, dx), SPINEGRAD_STRIDE_AND_PADDING);
SPINEGRAD_CONTRACT(Conv2dWgrad, (Input, x), (Input, dy), (Output, dw), SPINEGRAD_STRIDE_AND_PADDING);

#define SPINEGRAD_POOLING_WINDOW (Integer, kernelH), (Integer, kernelW), SPINEGRAD_STRIDE_AND_PADDING

SPINEGRAD_CONTRACT(MaxPool2dForward, (Input, x), (Output, y), (Output, winner), SPINEGRAD_POOLING_WINDOW);
SPINEGRAD_CONTRACT(MaxPool2dBackward, (Input, dy), (Input, winner), (Output, dx), SPINEGRAD_POOLING_WINDOW);

/// The window of a pooling, the same in both passes.
struct MaxPool2dAttributes {
  int64_t kernelH, kernelW, strideH, strideW, padH, padW;

  template <class Pass>
  explicit MaxPool2dAttributes(const Pass& op)
      : kernelH(op.kernelH),
        kernelW(op.kernelW),
        strideH(op.strideH),
        strideW(op.strideW),
        padH(op.padH),
        padW(op.padW) {}
};

// inverseDeviation is 1 / sqrt(variance + eps), per channel.
SPINEGRAD_CONTRACT(BatchNorm2dForward, (Input, x), (Input, weight), (Input, bias), (Update, runningMean),
                   (Update, runningVariance), (OptionalInput, residual), (Output, y), (Output, mean),
                   (Output, inverseDeviation), (Real, eps), (Real, momentum), (Flag, relu));
SPINEGRAD_CONTRACT(BatchNorm2dInference, (Input, x), (Input, weight), (Input, bias), (Input, runningMean),
                   (Input, runningVariance), (OptionalInput, residual), (Output, y), (Output, mean),
                   (Output, inverseDeviation), (Real, eps), (Flag, relu));
// With a bias the sign of y may be computed from x; a residual makes that impossible, so none is given then.
SPINEGRAD_CONTRACT(BatchNorm2dBackward, (Input, x), (Input, y), (Input, dy), (Input, weight), (OptionalInput, bias),
                   (Input, mean), (Input, inverseDeviation), (Output, dx), (Output, dw), (Output, db),
                   (OptionalOutput, dr), (Flag, relu));

SPINEGRAD_CONTRACT(L2NormalizeForward, (Input, x), (Output, y), (Output, divisor), (Real, eps));
SPINEGRAD_CONTRACT(L2NormalizeBackward, (Input, y), (Input, divisor), (Input, dy), (Output, dx), (Real, eps));
// weights [N, K] of the instances, 0 if masked.
SPINEGRAD_CONTRACT(AttentionPoolForward, (Input, embeddings), (Input, scores), (Input, mask), (Output, y),
                   (Output, weights));
SPINEGRAD_CONTRACT(AttentionPoolBackward, (Input, embeddings), (Input, weights), (Input, dy),
                   (OptionalOutput, dEmbeddings), (OptionalOutput, dScores));
SPINEGRAD_CONTRACT(SoftArgmax2dForward, (Input, heatmaps), (Output, y), (Output, statistics), (Real, temperature));
SPINEGRAD_CONTRACT(SoftArgmax2dBackward, (Input, heatmaps), (Input, y), (Input, statistics), (Input, dy), (Output, dx),
                   (Real, temperature));

SPINEGRAD_WORDS(LossReduction, mean, sum);
#define SPINEGRAD_PREDICTION (Input, prediction), (Input, target), (OptionalInput, weight)

SPINEGRAD_CONTRACT(MseForward, SPINEGRAD_PREDICTION, (Output, loss), (Output, divisor),
                   (Word<LossReduction>, reduction));
SPINEGRAD_CONTRACT(MseBackward, SPINEGRAD_PREDICTION, (Input, divisor), (Input, dy), (Output, dx));
SPINEGRAD_CONTRACT(SmoothL1Forward, SPINEGRAD_PREDICTION, (Output, loss), (Output, divisor),
                   (Word<LossReduction>, reduction), (Real, beta));
SPINEGRAD_CONTRACT(SmoothL1Backward, SPINEGRAD_PREDICTION, (Input, divisor), (Input, dy), (Output, dx), (Real, beta));
SPINEGRAD_CONTRACT(BceWithLogitsForward, SPINEGRAD_PREDICTION, (Output, loss), (Output, divisor),
                   (Word<LossReduction>, reduction));
SPINEGRAD_CONTRACT(BceWithLogitsBackward, SPINEGRAD_PREDICTION, (Input, divisor), (Input, dy), (Output, dx));

SPINEGRAD_WORDS(PositivesMean, outside, inside);
#define SPINEGRAD_EMBEDDINGS (Input, embeddings), (Input, labels), (OptionalInput, logScale)
#define SPINEGRAD_INFO_NCE (Real, temperature), (Word<PositivesMean>, mean)

SPINEGRAD_CONTRACT(InfoNCEForward, SPINEGRAD_EMBEDDINGS, (Output, loss), (Output, logSum),
                   (OptionalOutput, positiveLogSum), SPINEGRAD_INFO_NCE);
SPINEGRAD_CONTRACT(InfoNCEBackward, SPINEGRAD_EMBEDDINGS, (Input, logSum), (OptionalInput, positiveLogSum), (Input, dy),
                   (Output, dEmbeddings), (OptionalOutput, dLogScale), SPINEGRAD_INFO_NCE);

#define SPINEGRAD_QUERIES \
  (Input, queries), (Input, labels), (Input, keys), (Input, keyLabels), (OptionalInput, logScale)
SPINEGRAD_CONTRACT(QueryInfoNCEForward, SPINEGRAD_QUERIES, (Output, loss), (Output, logSum),
                   (OptionalOutput, positiveLogSum), SPINEGRAD_INFO_NCE);
SPINEGRAD_CONTRACT(QueryInfoNCEBackward, SPINEGRAD_QUERIES, (Input, logSum), (OptionalInput, positiveLogSum),
                   (Input, dy), (Output, dQueries), (OptionalOutput, dLogScale), SPINEGRAD_INFO_NCE);

SPINEGRAD_WORDS(FocalReduction, sum, mean, weightedMean);
// alpha: one weight per class; empty for ones.
#define SPINEGRAD_FOCAL_LOSS (Real, gamma), (Real, labelSmoothing), (Integer, ignoreIndex), (RealList, alpha)

SPINEGRAD_CONTRACT(FocalLossForward, (Input, logits), (Input, targets), (Output, loss), (Output, divisor),
                   SPINEGRAD_FOCAL_LOSS, (Word<FocalReduction>, reduction));
SPINEGRAD_CONTRACT(FocalLossBackward, (Input, logits), (Input, targets), (Input, divisor), (Input, dy), (Output, dx),
                   SPINEGRAD_FOCAL_LOSS);

/// alpha of each class.
inline std::vector<float> classWeights(std::span<const double> alpha, int64_t classes) {
  return alpha.empty() ? std::vector<float>(static_cast<size_t>(classes), 1.0f)
                       : std::vector<float>(alpha.begin(), alpha.end());
}

// Units and order of application: ts/engine/ops/augment.ts.
SPINEGRAD_WORDS(CutoutFill, mean, zero);
SPINEGRAD_CONTRACT(AugmentForward, (Input, bank), (Input, indices), (Output, y), (Uint32, seed), (Uint32, step),
                   (Real, pitch), (Real, rotation), (Real, scale), (Real, shear), (Real, translation), (Real, flip),
                   (Real, upend), (Real, blur), (Real, invert), (Real, tone), (Real, gamma), (Real, contrast),
                   (Real, brightness), (Real, noise), (Real, cutout), (Real, cutoutSize),
                   (Word<CutoutFill>, cutoutFill), (Real, mean), (Real, deviation));

SPINEGRAD_CONTRACT(AdamWStep, (UpdateList, parameter), (InputList, gradient), (UpdateList, firstMoment),
                   (UpdateList, secondMoment), (Real, learningRate), (Real, beta1), (Real, beta2), (Real, eps),
                   (Real, weightDecay), (Integer, step));
SPINEGRAD_CONTRACT(SgdStep, (UpdateList, parameter), (InputList, gradient), (UpdateList, velocity),
                   (Real, learningRate), (Real, momentum), (Real, weightDecay), (Flag, nesterov), (Flag, decoupled));
SPINEGRAD_CONTRACT(LarsStep, (UpdateList, parameter), (InputList, gradient), (UpdateList, velocity),
                   (Real, learningRate), (Real, momentum), (Real, weightDecay), (Real, trust), (Flag, adapt));
SPINEGRAD_CONTRACT(EmaStep, (InputList, source), (UpdateList, target), (Real, decay));
SPINEGRAD_CONTRACT(ClipGradNormForward, (UpdateList, gradient), (Output, norm), (Real, maxNorm));

inline AdamWFactors factorsOf(const AdamWStep& op) {
  const auto t = static_cast<double>(op.step);
  return {
      .decay = static_cast<float>(1 - op.learningRate * op.weightDecay),
      .oneMinusBeta1 = static_cast<float>(1 - op.beta1),
      .beta2 = static_cast<float>(op.beta2),
      .oneMinusBeta2 = static_cast<float>(1 - op.beta2),
      .stepSize = static_cast<float>(op.learningRate / (1 - std::pow(op.beta1, t))),
      .rootCorrection2 = static_cast<float>(std::sqrt(1 - std::pow(op.beta2, t))),
      .eps = static_cast<float>(op.eps),
  };
}

inline LarsFactors factorsOf(const LarsStep& op) {
  return {.learningRate = op.learningRate,
          .momentum = static_cast<float>(op.momentum),
          .weightDecay = static_cast<float>(op.weightDecay),
          .trust = op.trust};
}

inline SgdFactors factorsOf(const SgdStep& op) {
  const auto momentum = static_cast<float>(op.momentum);
  return {
      .coupledDecay = op.decoupled ? 0 : static_cast<float>(op.weightDecay),
      .decay = op.decoupled ? static_cast<float>(1 - op.learningRate * op.weightDecay) : 1,
      .momentum = momentum,
      .learningRate = static_cast<float>(op.learningRate),
      .velocityFraction = op.nesterov ? momentum : 1,
      .gradientFraction = op.nesterov ? 1.0f : 0.0f,
  };
}

}  // namespace spinegrad
