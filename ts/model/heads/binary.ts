import { mul, sigmoid } from '../../engine/ops/elementwise.js';
import { linear } from '../../engine/ops/linear.js';
import { Linear } from '../../nn/layers.js';
import { classWeights } from './classWeights.js';
import type { Head } from './head.js';
import { thresholdLoss } from './thresholds.js';

/**
 * One logit for two grades, trained with sigmoid focal loss (Lin et al., "Focal Loss for Dense Object Detection", 2017). It
 * is that of the second grade. Loss and probabilities equal those of `softmax` with the logits 0 and z.
 */
export const binary: Head = {
  outputs: () => 1,

  layers: (build, features) => new Linear(build, features, 1),

  /** The weights of both answers have mean 1 over the discs; those of the sigmoid form of `focalLoss` have sum 1. */
  loss(logits, grades, options) {
    const counts = options.counts as readonly [number, number];
    const loss = thresholdLoss(logits, grades, options, [counts]);
    if (options.weighting === 'none') return loss;
    const [first, second] = classWeights(counts, options.weighting) as [number, number];
    return mul(loss, first + second);
  },

  probabilities(logits) {
    const signs = logits.device.tensor(Float32Array.of(-1, 1), [2, 1]);
    return sigmoid(linear(logits, signs));
  },
};
