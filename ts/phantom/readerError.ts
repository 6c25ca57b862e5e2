/**
 * The readers of a phantom data set. One of them grades a study, with all its series. A reader has a systematic bias and
 * a random error, in units of narrowing. Their variance is that of a single reader with a random error of 0.12.
 */

import { RandomStream } from '../random.js';
import { type PhantomStudy, PURPOSE } from './study.js';

export interface Reader {
  /** A positive bias gives more severe grades. */
  readonly bias: number;
  /** Standard deviation of the random error. */
  readonly deviation: number;
}

export const READERS: readonly Reader[] = [
  { bias: -0.07, deviation: 0.1 },
  { bias: -0.03, deviation: 0.12 },
  { bias: 0, deviation: 0.09 },
  { bias: 0.03, deviation: 0.12 },
  { bias: 0.07, deviation: 0.1 },
];

/** Minimum narrowing of each grade after the first. */
export const THRESHOLDS = [0.5, 0.78] as const;

/** The grade of a narrowing. */
export const gradeOf = (narrowing: number): number =>
  THRESHOLDS.filter((threshold) => narrowing >= threshold).length;

/** The reader of a study. */
export function readerOf({ seed, index }: Pick<PhantomStudy, 'seed' | 'index'>): Reader {
  return new RandomStream(seed, index, PURPOSE.reader, 3).pick(READERS);
}

/** The grade that a reader reports for a narrowing. */
export function reportedGrade({ bias, deviation }: Reader, narrowing: number, random: RandomStream): number {
  return gradeOf(narrowing + bias + random.normal(0, deviation));
}
