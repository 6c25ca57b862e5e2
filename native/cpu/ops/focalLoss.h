// The focal loss (Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017), shared by its softmax and sigmoid
// forms. A term is w (1 - p)^gamma (-log p), with weight w and probability p.
//
// 1 - p is never computed by subtracting a p near 1, so value and gradient are accurate for all logits. The derivative
// of a term by log p, -w (1 - p)^gamma (1 + gamma p (-log p) / (1 - p)), has no negative power: (-log p) / (1 - p)
// tends to 1 as p tends to 1. Backward reads the logits again; forward keeps only the divisor.
#pragma once

#include "native/cpu/runtime/math.h"
#include "native/cpu/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {

struct FocalParameters {
  float gamma, smoothing;

  template <class Op>
  explicit FocalParameters(const Op& op)
      : gamma(static_cast<float>(op.gamma)), smoothing(static_cast<float>(op.labelSmoothing)) {}
};

/// Sums over a part of the targets: terms of the loss, weights of the targets, and the number of targets.
struct FocalSums {
  double terms = 0, weights = 0, count = 0;
};

/// Adds `parts` in order, and writes the loss and the divisor, which is 1 if no target counts.
void writeFocalLoss(const FocalLossForward& op, const Workspace<FocalSums>& parts, int64_t count);

/// The gradient of one term with weight 1.
inline float focalGradientScale(const FocalLossBackward& op) { return *read<float>(op.dy) / *read<float>(op.divisor); }

}  // namespace spinegrad::cpu
