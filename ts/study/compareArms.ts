/** Paired differences between two arms: interval, permutation test, and what the study could have found. */
import { SpinegradError } from '../error.js';
import { percentileInterval } from '../evaluation/bootstrap.js';
import type { Predictions } from '../evaluation/types.js';
import type { GradeScale } from '../tasks/task.js';
import type { Difference } from './armResult.js';
import { definedOf, type EvaluatedArm } from './evaluateArm.js';
import { differenceOf, permutedDifferences, type ResamplingOptions } from './resample.js';
import { METRICS, type MetricName } from './sample.js';

/** Sum of the 0.975 and 0.8 quantiles of the normal distribution: a two-sided test at 0.05 with a power of 80 %. */
export const DETECTABLE = 1.959963984540054 + 0.8416212335729143;

/** Permuted differences this close to the observed one count as equal: their sums have another order. */
const TOLERANCE = 1e-12;

export interface ComparedArm {
  name: string;
  predictions: readonly Predictions[];
  evaluated: EvaluatedArm;
}

/**
 * Each metric of arm `a` minus that of arm `b`, averaged over the repeats. The interval is that of a paired bootstrap: both
 * arms have the same resamples. The two-sided p-value is (k + 1) / (n + 1), with k of n permutations whose difference is at
 * least as far from 0 as the observed one. `pHolm` is null here; `holm` needs all comparisons.
 *
 * @throws SpinegradError ERR_EVALUATION if the arms were not tested on the same discs
 */
export function compareRepeats(
  a: ComparedArm,
  b: ComparedArm,
  scale: GradeScale,
  options: ResamplingOptions,
): Record<MetricName, Difference> {
  requireSameDiscs(a, b);
  const observed = differenceOf(a.evaluated.values, b.evaluated.values);
  const draws = a.evaluated.draws.map((values, i) => differenceOf(values, b.evaluated.draws[i]!));
  const permuted = permutedDifferences(a.predictions, b.predictions, scale, options);
  const entries = METRICS.map((name): [MetricName, Difference] => {
    const value = observed[name];
    const none = { low: null, high: null, p: null, pHolm: null, detectable: null };
    if (value === null) return [name, { value, ...none }];
    const drawn = definedOf(draws, (values) => values[name]);
    const exchanged = definedOf(permuted, (values) => values[name]);
    const far = exchanged.filter((other) => Math.abs(other) >= Math.abs(value) - TOLERANCE).length;
    const p = exchanged.length > 0 ? (far + 1) / (exchanged.length + 1) : null;
    const resampled = a.evaluated.enough
      ? { ...percentileInterval(drawn), detectable: DETECTABLE * standardDeviation(drawn) }
      : { low: null, high: null, detectable: null };
    return [name, { value, ...resampled, p, pHolm: null }];
  });
  return Object.fromEntries(entries) as Record<MetricName, Difference>;
}

function standardDeviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / Math.max(1, values.length - 1));
}

function requireSameDiscs(a: ComparedArm, b: ComparedArm): void {
  for (const [repeat, first] of a.predictions.entries()) {
    const second = b.predictions[repeat];
    for (const key of ['studyId', 'level', 'truth'] as const) {
      const same =
        first[key].length === second?.[key].length &&
        first[key].every((value, i) => value === second[key][i]);
      if (same) continue;
      throw new SpinegradError(
        'ERR_EVALUATION',
        `predictions: arms ${a.name} and ${b.name} differ in ${key} in repeat number ${repeat + 1} of those that both ` +
          'have; expected the same test discs: cells with another bank cannot be compared',
      );
    }
  }
}
