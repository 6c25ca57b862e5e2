/** The discs that an arm graded worst, over all repeats. */

import { groupBy } from '../evaluation/groupBy.js';
import { argmax } from '../evaluation/metrics.js';
import type { StudyPrediction } from './predictionsFile.js';
import { discOf } from './samples.js';

/** A disc of a test patient. */
export interface TestDisc {
  study: string;
  level: string;
  side: string | null;
  /** The fold in which the patient is tested, in the first repeat. */
  fold: number;
}

export interface WorstError extends TestDisc {
  /** Level, and side if the task has one. */
  disc: string;
  image: string;
  truth: number;
  /** Argmax of the mean probabilities. */
  predicted: number;
  /** Mean over the repeats. */
  probabilities: number[];
  /** Repeats in which the grade was wrong, of all. */
  wrong: number;
  repeats: number;
  /** Error of the localizer in the first repeat; null if it is unknown. */
  localizationMm: number | null;
  /** Reasons for which the localizer doubted the slice in any repeat. */
  flags: string[];
}

/**
 * Discs whose grade is wrong by the mean probabilities of the repeats: the largest differences of grades first (if the
 * grades are ordered), then the smallest probabilities of the true grade.
 *
 * @param lines of one task, arm, label fraction and kind of crop
 */
export function worstErrors(
  lines: readonly StudyPrediction[],
  ordered: boolean,
  count: number,
): WorstError[] {
  const discs = [...groupBy(lines, (line) => JSON.stringify([line.study, discOf(line)])).values()];
  const errors = discs.flatMap((own): WorstError[] => {
    const [first] = own as [StudyPrediction];
    const probabilities = first.probabilities.map(
      (_, grade) => own.reduce((sum, line) => sum + line.probabilities[grade]!, 0) / own.length,
    );
    const predicted = argmax(probabilities);
    const { study, level, side, fold, image, truth, localizationMm } = first;
    if (predicted === truth) return [];
    const wrong = own.filter((line) => argmax(line.probabilities) !== line.truth).length;
    const flags = [...new Set(own.flatMap((line) => line.flags))];
    const disc = discOf(first);
    return [
      {
        ...{ study, level, side, fold },
        disc,
        image,
        truth,
        predicted,
        probabilities,
        wrong,
        repeats: own.length,
        localizationMm,
        flags,
      },
    ];
  });
  const distance = ({ truth, predicted }: WorstError) => (ordered ? Math.abs(truth - predicted) : 0);
  errors.sort(
    (a, b) =>
      distance(b) - distance(a) ||
      a.probabilities[a.truth]! - b.probabilities[b.truth]! ||
      (a.study < b.study ? -1 : 1),
  );
  return errors.slice(0, count);
}
