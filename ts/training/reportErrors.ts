/** The worst errors of a run, for the report: discs with the most wrong grades, and slices with the largest distances. */
import { applyAffine, invertAffine } from '../data/affine.js';
import type { Bank } from '../data/bank.js';
import type { DiscError } from '../evaluation/localization.js';
import { argmax } from '../evaluation/metrics.js';
import type { Prediction } from '../evaluation/predictionsFile.js';
import type { GradingError, LocalizationExample, ReportImage } from '../report/types.js';
import type { Task } from '../tasks/task.js';
import type { Evaluated } from './evaluateArms.js';

const GRADING_ERRORS = 12;
const STUDIES = 3;

/** Row `row` of a tensor [rows, size, size]. */
export function rowImage(pixels: Uint16Array, size: number, row: number): ReportImage {
  return { pixels: pixels.subarray(row * size * size, (row + 1) * size * size), width: size, height: size };
}

/**
 * The test discs that an arm graded wrong on predicted crops: the largest differences first (nominal grades: all differences
 * are equal), then the smallest probabilities of the readers' grade.
 *
 * @param index of the task in the bank
 */
export function gradingErrors(
  { predictions, test }: Pick<Evaluated, 'predictions' | 'test'>,
  { id, ordered }: Task,
  index: number,
  arm: string,
): GradingError[] {
  // The sides of different tasks, such as foramen and lateral recess, are different discs of the bank.
  const rows = new Map(
    test.discs
      .filter(({ disc }) => disc.grades[index] !== null)
      .map(({ disc, row }) => [discKey(disc.studyId, disc.level), row]),
  );
  const distance = ({ truth, probabilities }: Prediction) =>
    ordered ? Math.abs(argmax(probabilities) - truth) : 1;
  return predictions
    .filter((line) => line.task === id && line.arm === arm && line.crops === 'predicted')
    .filter(({ truth, probabilities }) => argmax(probabilities) !== truth)
    .sort((p, q) => distance(q) - distance(p) || p.probabilities[p.truth]! - q.probabilities[q.truth]!)
    .slice(0, GRADING_ERRORS)
    .map(({ study, level, side, truth, probabilities, localizationMm }) => ({
      studyId: study,
      level: side === null ? level : `${level} ${side}`,
      crop: rowImage(test.crops.pixels, test.crops.size, rows.get(discKey(study, level))!),
      truth,
      probabilities,
      localizationMm,
    }));
}

/** Identifies a disc of a task. */
export const discKey = (...disc: (string | null)[]): string => JSON.stringify(disc);

/** The worst slice of each of the studies with the largest mean distances; one without any found disc comes first. */
export function localizationExamples(
  { manifest, slices }: Bank,
  { searched, errors }: Pick<Evaluated, 'searched' | 'errors'>,
): LocalizationExample[] {
  const mean = (discs: readonly DiscError[]) => {
    const found = discs.map(({ errorMm }) => errorMm).filter((mm) => mm !== null);
    return found.length > 0 ? found.reduce((sum, mm) => sum + mm, 0) / found.length : Infinity;
  };
  return searched
    .map(({ record }, index) => ({ record, discs: errors[index]! }))
    .filter(({ discs }) => discs.length > 0)
    .sort((p, q) => mean(q.discs) - mean(p.discs) || p.record.row - q.record.row)
    .filter(
      ({ record }, index, all) => all.findIndex((other) => other.record.studyId === record.studyId) === index,
    )
    .slice(0, STUDIES)
    .map(({ record, discs }) => {
      const toSlice = invertAffine(record.toImage);
      return {
        studyId: record.studyId,
        series: record.series,
        slice: rowImage(slices, manifest.sliceSize, record.row),
        doubts: discs[0]!.flags,
        discs: discs.map(({ level, annotated, found, errorMm }) => ({
          level,
          annotated: applyAffine(toSlice, annotated),
          found: found && applyAffine(toSlice, found),
          errorMm,
        })),
      };
    });
}
