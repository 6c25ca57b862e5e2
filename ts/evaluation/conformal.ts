/**
 * Class-conditional (Mondrian) conformal prediction sets (Vovk, "Conditional Validity of Inductive Conformal Predictors",
 * ACML 2012; Angelopoulos and Bates, "Conformal Prediction: A Gentle Introduction", Foundations and Trends in Machine
 * Learning 16, 2023). A set holds the grades that are plausible for a disc. For each grade, at least the nominal fraction
 * of the discs that have it are covered: their set contains it. This holds on average over calibration samples if
 * calibration and test discs of the grade are exchangeable.
 *
 * The score of a grade is its probability. A grade is in the set if its probability is at least the grade's minimum.
 */
import { SpinegradError } from '../error.js';
import { argmax } from './metrics.js';

/** Tolerance of (n + 1) * coverage for rounding: 10 * 0.7 is 7, not 8. */
const ROUNDING = 1e-9;

/**
 * The minimum probability of each grade: the ceil((n + 1) coverage)-th largest probability of the true grade among the n
 * calibration discs that have it. With n below coverage / (1 - coverage) (9 discs for 0.9) there is no such disc; the
 * minimum is then 0, and the grade is in every set.
 *
 * @param probabilities [discs][grades], of discs that training did not use
 * @param truth grade of each disc
 * @param grades number of grades
 * @param coverage nominal coverage, above 0 and below 1
 * @throws SpinegradError ERR_EVALUATION for another coverage, or another number of rows than of discs
 *
 * @example
 * conformalMinimums([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], [0, 0, 1], 2, 0.5); // [0.6, 0.8]
 */
export function conformalMinimums(
  probabilities: readonly (readonly number[])[],
  truth: ArrayLike<number>,
  grades: number,
  coverage: number,
): number[] {
  if (!(coverage > 0 && coverage < 1) || probabilities.length !== truth.length) {
    throw new SpinegradError(
      'ERR_EVALUATION',
      `conformalMinimums: found coverage ${coverage}, ${probabilities.length} rows and ${truth.length} truth; expected a coverage ` +
        'between 0 and 1 and one row per disc',
    );
  }
  return Array.from({ length: grades }, (_, grade) => {
    const scores = probabilities
      .flatMap((row, disc) => (truth[disc] === grade ? [row[grade]!] : []))
      .sort((a, b) => b - a);
    const rank = Math.ceil((scores.length + 1) * coverage - ROUNDING);
    return scores[rank - 1] ?? 0;
  });
}

/**
 * The number of calibration discs of a grade that its minimum needs.
 *
 * @example
 * minimumDiscs(0.9); // 9
 */
export const minimumDiscs = (coverage: number): number => Math.ceil(coverage / (1 - coverage) - ROUNDING);

/**
 * The grades whose probability is at least their minimum, and the predicted grade. A set without the predicted grade, or
 * without any grade, is hard to read; adding a grade never lowers the coverage.
 *
 * @param row probabilities of the grades
 * @param minimums of `conformalMinimums`
 * @returns ascending indices of grades, at least one
 *
 * @example
 * conformalSet([0.5, 0.4, 0.1], [0.6, 0.3, 0.2]); // [0, 1]
 */
export function conformalSet(row: readonly number[], minimums: readonly number[]): number[] {
  const predicted = argmax(row);
  return row.flatMap((p, grade) => (p >= minimums[grade]! || grade === predicted ? [grade] : []));
}
