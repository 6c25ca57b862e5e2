/**
 * The bootstrap by patient. Discs of one spine are not independent: grades of neighbouring levels correlate. Therefore
 * whole studies are drawn with replacement, never discs (Field & Welsh, J. R. Stat. Soc. B 2007). A resample is the
 * number of times that each disc was drawn. A resample that lacks a grade of the sample is drawn again, because balanced
 * accuracy would then be the mean over fewer grades, which is another quantity.
 */
import { SpinegradError } from '../error.js';
import { RandomStream } from '../random.js';
import type { Bounds } from './types.js';

/**
 * Minimum number of patients per grade for an interval or a p-value. With few clusters the bootstrap underestimates the
 * variance, and its intervals are too narrow (Cameron, Gelbach & Miller, Rev. Econ. Stat. 2008).
 * `docs/tools/bootstrap-coverage.js` measures the coverage of the intervals as a function of this number.
 */
export const MIN_PATIENTS = 10;

export interface BootstrapOptions {
  /** Default 0. The same seed gives the same resamples on every machine. */
  seed?: number;
  /** Number of resamples; default 2000. */
  resamples?: number;
}

/**
 * Yields the weight of every disc for each resample: the number of times that its study was drawn. The array is reused.
 * Studies are numbered in the order of their names, so the resamples do not depend on the order of the discs.
 *
 * @param studyId study of each disc
 * @param truth grade of each disc
 */
export function* resampleStudies(
  studyId: readonly string[],
  truth: readonly number[],
  { seed = 0, resamples = 2000 }: BootstrapOptions = {},
): Generator<Float64Array> {
  if (!(Number.isInteger(resamples) && resamples > 0)) {
    throw new SpinegradError(
      'ERR_EVALUATION',
      `resamples: found ${resamples}, expected a whole number above 0`,
    );
  }
  const names = [...new Set(studyId)].sort();
  const index = new Map(names.map((name, i) => [name, i]));
  const study = Uint32Array.from(studyId, (id) => index.get(id)!);
  const grades = [...new Set(truth)];
  const random = new RandomStream(seed);
  const drawn = new Uint32Array(names.length);
  const weights = new Float64Array(studyId.length);
  for (let b = 0; b < resamples; ) {
    drawn.fill(0);
    for (let i = 0; i < names.length; i++) drawn[Math.floor(random.uniform(0, names.length))]! += 1;
    const seen = new Set<number>();
    for (let i = 0; i < weights.length; i++) {
      weights[i] = drawn[study[i]!]!;
      if (weights[i]! > 0) seen.add(truth[i]!);
    }
    if (seen.size < grades.length) continue;
    b++;
    yield weights;
  }
}

/** The 2.5 and 97.5 percentiles, with linear interpolation between order statistics. */
export function percentileInterval(values: readonly number[]): Bounds {
  const sorted = Float64Array.from(values).sort();
  const quantile = (q: number) => {
    const position = q * (sorted.length - 1);
    const below = Math.floor(position);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
  };
  return { low: quantile(0.025), high: quantile(0.975) };
}
