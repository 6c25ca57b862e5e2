import { focalLoss } from '../../engine/ops/focalLoss.js';
import { softmax as softmaxOf } from '../../engine/ops/softmax.js';
import { Linear } from '../../nn/layers.js';
import { classWeights } from './classWeights.js';
import { type Head, IGNORED } from './head.js';

/**
 * One linear layer and a softmax over the grades, trained with weighted focal loss (Lin et al., "Focal Loss for Dense
 * Object Detection", 2017). It does not use the order of the grades.
 */
export const softmax: Head = {
  outputs: (grades) => grades,

  layers: (build, features, grades) => new Linear(build, features, grades),

  loss(logits, grades, { gamma, labelSmoothing, weighting, counts }) {
    const targets = logits.device.tensor(Int32Array.from(grades, (grade) => grade ?? IGNORED));
    const alpha = classWeights(counts, weighting);
    return focalLoss(logits, targets, { gamma, labelSmoothing, alpha, ignoreIndex: IGNORED });
  },

  probabilities: softmaxOf,
};
