import type { Weighting } from './head.js';

/**
 * Weights of classes by their frequency: its inverse, the root of the inverse, or equal. Their mean over the discs is 1.
 *
 * @param counts number of discs of each class; a class without discs is weighted like one with a single disc
 */
export function classWeights(counts: readonly number[], weighting: Weighting): number[] {
  const discs = counts.reduce((sum, count) => sum + count, 0);
  const clamped = counts.map((count) => Math.max(1, count));
  const raw = clamped.map(
    (count) => ({ inverse: 1 / count, sqrt: 1 / Math.sqrt(count), none: 1 })[weighting],
  );
  const total = raw.reduce((sum, weight, index) => sum + weight * clamped[index]!, 0);
  return raw.map((weight) => (weight * discs) / total);
}
