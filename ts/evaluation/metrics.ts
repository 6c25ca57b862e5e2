/**
 * The metrics, each a function of plain arrays. Discs may have weights: a bootstrap resample is the same sample with
 * integer weights (the number of times that each disc was drawn). Without weights every disc has weight 1.
 */
import { SpinegradError } from '../error.js';
import type { Bounds, Proportion } from './types.js';

/** 0.975 quantile of the normal distribution. */
const Z95 = 1.959963984540054;

/** Index of the largest probability; ties go to the first, which is the milder grade on an ordered scale. */
export function argmax(row: readonly number[]): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[best]!) best = i;
  return best;
}

/** Counts of (truth, prediction) pairs. Rows: truth; columns: prediction. */
export function confusionMatrix(
  truth: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
  weights?: ArrayLike<number>,
): number[][] {
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < truth.length; i++) counts[truth[i]!]![predicted[i]!]! += weights?.[i] ?? 1;
  return counts;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Recall (sensitivity) of each class; null for a class without members. */
export function recallPerClass(confusion: readonly number[][]): (number | null)[] {
  return confusion.map((row, k) => {
    const members = sum(row);
    return members > 0 ? row[k]! / members : null;
  });
}

/**
 * Mean recall over the classes that occur in the truth, as in scikit-learn's `balanced_accuracy_score`
 * (Brodersen et al., ICPR 2010). Chance is 1 / classes.
 */
export function balancedAccuracy(confusion: readonly number[][]): number {
  const recalls = recallPerClass(confusion).filter((recall) => recall !== null);
  return sum(recalls) / recalls.length;
}

/**
 * Cohen's weighted kappa (Cohen, Psychol. Bull. 1968): 1 - sum(w O) / sum(w E). O are the observed counts and E those
 * expected from the margins. Quadratic weights w = (i - j)^2 are for ordered classes; `none` is the plain kappa, w = 1
 * off the diagonal. Null if truth and prediction are the same constant: kappa is then 0 / 0.
 */
export function cohenKappa(confusion: readonly number[][], weights: 'quadratic' | 'none'): number | null {
  const rows = confusion.map(sum);
  const columns = confusion.map((_, j) => sum(confusion.map((row) => row[j]!)));
  const total = sum(rows);
  let observed = 0;
  let expected = 0;
  for (let i = 0; i < rows.length; i++) {
    for (let j = 0; j < columns.length; j++) {
      const weight = weights === 'quadratic' ? (i - j) ** 2 : Number(i !== j);
      observed += weight * confusion[i]![j]!;
      expected += (weight * rows[i]! * columns[j]!) / total;
    }
  }
  return expected > 0 ? 1 - observed / expected : null;
}

/**
 * k / n with the 95 % Wilson score interval (Wilson, JASA 1927), which keeps its coverage for few events and is always
 * within [0, 1].
 *
 * @throws SpinegradError ERR_EVALUATION unless k and n are integers with 0 <= k <= n
 */
export function wilsonInterval(k: number, n: number): Proportion {
  if (!(Number.isInteger(k) && Number.isInteger(n) && k >= 0 && n >= k)) {
    throw new SpinegradError(
      'ERR_EVALUATION',
      `wilsonInterval: found k = ${k}, n = ${n}, expected 0 <= k <= n`,
    );
  }
  return n === 0
    ? { k, n, rate: null, low: null, high: null }
    : { k, n, rate: k / n, ...wilsonBounds(k / n, n) };
}

/** The 95 % Wilson score interval of a rate that was observed in n > 0 cases. */
export function wilsonBounds(rate: number, n: number): Bounds {
  const centre = (rate + Z95 ** 2 / (2 * n)) / (1 + Z95 ** 2 / n);
  const half = (Z95 / (1 + Z95 ** 2 / n)) * Math.sqrt((rate * (1 - rate)) / n + Z95 ** 2 / (4 * n * n));
  return {
    low: rate === 0 ? 0 : Math.max(0, centre - half),
    high: rate === 1 ? 1 : Math.min(1, centre + half),
  };
}

/** Indices by descending score. `tieWeights` accepts it, so that all resamples share one sort. */
export function descendingOrder(scores: ArrayLike<number>): Uint32Array {
  return Uint32Array.from(scores, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
}

/** The weights of the positives and of the negatives in each group of equal scores, from the highest score down. */
export interface Ties {
  groups: number;
  positives: Float64Array;
  negatives: Float64Array;
}

/** What AUROC and average precision are computed from. */
export function tieWeights(
  scores: ArrayLike<number>,
  positive: ArrayLike<boolean>,
  weights?: ArrayLike<number>,
  order = descendingOrder(scores),
): Ties {
  const positives = new Float64Array(order.length);
  const negatives = new Float64Array(order.length);
  let groups = 0;
  for (let i = 0; i < order.length; groups++) {
    const score = scores[order[i]!]!;
    for (; i < order.length && scores[order[i]!] === score; i++) {
      const disc = order[i]!;
      const group = positive[disc] ? positives : negatives;
      group[groups]! += weights === undefined ? 1 : weights[disc]!;
    }
  }
  return { groups, positives, negatives };
}

/**
 * Area under the ROC curve: the probability that a positive has a higher score than a negative; a tie counts one half
 * (Hanley & McNeil, Radiology 1982). Null unless both occur.
 */
export function auroc(
  scores: ArrayLike<number>,
  positive: ArrayLike<boolean>,
  weights?: ArrayLike<number>,
  order?: Uint32Array,
): number | null {
  return aurocOf(tieWeights(scores, positive, weights, order));
}

/** `auroc` from its ties. */
export function aurocOf({ groups, positives, negatives }: Ties): number | null {
  let above = 0;
  let negativesTotal = 0;
  let pairs = 0;
  for (let i = 0; i < groups; i++) {
    pairs += negatives[i]! * (above + positives[i]! / 2);
    above += positives[i]!;
    negativesTotal += negatives[i]!;
  }
  return above > 0 && negativesTotal > 0 ? pairs / (above * negativesTotal) : null;
}

/**
 * Area under the precision-recall curve as average precision, sum of (R_n - R_{n-1}) P_n over the distinct scores,
 * without interpolation (scikit-learn's `average_precision_score`). Chance is the fraction of positives. Null without
 * a positive.
 */
export function averagePrecision(
  scores: ArrayLike<number>,
  positive: ArrayLike<boolean>,
  weights?: ArrayLike<number>,
  order?: Uint32Array,
): number | null {
  return averagePrecisionOf(tieWeights(scores, positive, weights, order));
}

/** `averagePrecision` from its ties. */
export function averagePrecisionOf({ groups, positives, negatives }: Ties): number | null {
  let hits = 0;
  let retrieved = 0;
  let area = 0;
  for (let i = 0; i < groups; i++) {
    hits += positives[i]!;
    retrieved += positives[i]! + negatives[i]!;
    if (positives[i]! > 0) area += (positives[i]! * hits) / retrieved;
  }
  return hits > 0 ? area / hits : null;
}

/**
 * Log loss weighted by the true grade: -sum(w log p) / sum(w), p clipped to [eps, 1 - eps] with the eps of float64, as
 * in scikit-learn's `log_loss`. Natural logarithm; lower is better. With the weights 1, 2, 4 this is the metric of the
 * RSNA 2024 Lumbar Spine Degenerative Classification challenge for one condition.
 *
 * @param gradeWeights weight of each grade
 */
export function weightedLogLoss(
  probabilities: readonly (readonly number[])[],
  truth: ArrayLike<number>,
  gradeWeights: ArrayLike<number>,
  weights?: ArrayLike<number>,
): number {
  const { loss, weight } = logLossSums(probabilities, truth, gradeWeights, weights);
  return loss / weight;
}

/** Numerator and denominator of `weightedLogLoss`. Those of several samples add up. */
export function logLossSums(
  probabilities: readonly (readonly number[])[],
  truth: ArrayLike<number>,
  gradeWeights: ArrayLike<number>,
  weights?: ArrayLike<number>,
): { loss: number; weight: number } {
  const sums = { loss: 0, weight: 0 };
  for (let i = 0; i < probabilities.length; i++) {
    const grade = truth[i]!;
    const weight = gradeWeights[grade]! * (weights?.[i] ?? 1);
    const p = Math.min(1 - Number.EPSILON, Math.max(Number.EPSILON, probabilities[i]![grade]!));
    sums.loss -= weight * Math.log(p);
    sums.weight += weight;
  }
  return sums;
}
