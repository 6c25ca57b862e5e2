/**
 * Which views are positives of each other. A criterion gives each disc a label; views of equal labels are positives. Several
 * criteria are no equivalence relation together, so each has its own term: with the weights w_c,
 *
 *   loss = sum over c of w_c InfoNCE(z, labels of c) / sum over c of w_c
 */
import type { Config } from './config.js';
import type { Disc } from './roiDataset.js';
import type { Criterion } from './settings/pretraining.js';

/** A criterion of a run. */
export interface Positives {
  /** Fraction of the loss. */
  weight: number;
  labelOf(disc: Disc): number;
}

export function positivesOf({
  positives,
  positiveWeights,
}: Pick<Config['pretraining'], 'positives' | 'positiveWeights'>): Positives[] {
  const criteria = [positives].flat();
  const weights = criteria.map((criterion) => positiveWeights[criterion] ?? 1);
  const total = weights.reduce((a, b) => a + b);
  return criteria.map((criterion, i) => ({ weight: weights[i]! / total, labelOf: labels(criterion) }));
}

/** The label of a disc. A grade is that of the first task; a disc without it has a label of its own. */
function labels(criterion: Criterion): (disc: Disc) => number {
  if (criterion === 'grade') return ({ id, grades }) => grades[0] ?? -1 - id;
  if (criterion === 'disc') return ({ id }) => id;
  const numbers = new Map<string, number>();
  return ({ studyId, level }) => {
    const key = `${studyId} ${level}`;
    if (!numbers.has(key)) numbers.set(key, numbers.size);
    return numbers.get(key)!;
  };
}
