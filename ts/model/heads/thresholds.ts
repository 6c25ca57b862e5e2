/** Code that coral and corn share: the loss and the probabilities of the K - 1 thresholds between K grades. */
import { relu } from '../../engine/ops/elementwise.js';
import { type FocalLossOptions, focalLoss } from '../../engine/ops/focalLoss.js';
import { linear } from '../../engine/ops/linear.js';
import type { Tensor } from '../../engine/tensor.js';
import { classWeights } from './classWeights.js';
import { IGNORED, type LossOptions, type Weighting } from './head.js';

/**
 * The mean binary focal loss [1] over discs and thresholds; the target of threshold k is grade > k.
 *
 * @param logits [N, K - 1]
 * @param counts for each threshold the number of discs below and above
 * @param includes whether the threshold is part of the loss of a disc of this grade
 */
export function thresholdLoss(
  logits: Tensor,
  grades: readonly (number | null)[],
  { gamma, labelSmoothing, weighting }: LossOptions,
  counts: readonly (readonly [below: number, above: number])[],
  includes: (grade: number, threshold: number) => boolean = () => true,
): Tensor {
  const targets = grades.flatMap((grade) =>
    counts.map((_, k) => (grade !== null && includes(grade, k) ? Number(grade > k) : IGNORED)),
  );
  const options: FocalLossOptions = { form: 'sigmoid', gamma, labelSmoothing, ignoreIndex: IGNORED };
  if (weighting !== 'none') options.alpha = counts.map((pair) => positiveWeight(pair, weighting));
  return focalLoss(logits, logits.device.tensor(Float32Array.from(targets), logits.shape), options);
}

/**
 * [N, K - 1] probabilities of a grade above each threshold, which do not increase -> [N, K] probabilities of the grades:
 * P(grade = j) = P(grade > j - 1) - P(grade > j), where P(grade > -1) is 1 and P(grade > K - 1) is 0.
 */
export function gradeProbabilities(above: Tensor): Tensor {
  const { device } = above;
  const thresholds = above.shape[1]!;
  const grades = thresholds + 1;
  const differences = new Float32Array(grades * thresholds);
  for (let k = 0; k < thresholds; k++) {
    differences[k * thresholds + k] = -1;
    differences[(k + 1) * thresholds + k] = 1;
  }
  const first = device.tensor(Float32Array.from({ length: grades }, (_, j) => Number(j === 0)));
  const matrix = device.tensor(differences, [grades, thresholds]);
  // Rounding can leave a difference of -1e-8.
  return relu(linear(above, matrix, first));
}

/** The weight of the positive answer, if those of both answers sum to 1. */
function positiveWeight(counts: readonly [negative: number, positive: number], weighting: Weighting): number {
  const [negative, positive] = classWeights(counts, weighting) as [number, number];
  return positive / (negative + positive);
}

export const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
