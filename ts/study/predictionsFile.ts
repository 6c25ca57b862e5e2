/**
 * `predictions.csv` of a study: the lines of all complete cells. It has the columns of a run's predictions.csv and before
 * them `fold`, `repeat` and `labels`. All statistics of a study follow from it.
 */
import {
  type Prediction,
  parsePrediction,
  predictionColumns,
  REQUIRED_COLUMNS,
} from '../evaluation/predictionsFile.js';
import { type Fields, readTable } from '../evaluation/table.js';
import { formatCsv } from '../io/writeCsv.js';

/** A prediction of one cell of a study. */
export interface StudyPrediction extends Prediction {
  /** From 0; the test patients of a repeat's folds are disjoint. */
  fold: number;
  /** From 0. */
  repeat: number;
  /** Fraction of the training and validation patients whose grades were used; in (0, 1]. */
  labels: number;
}

/** The columns that state the cell of a line, together with `arm`. */
export const CELL_COLUMNS = ['fold', 'repeat', 'labels'] as const;

/** The cell of a line, without its arm. */
export const parseCell = (fields: Fields): Pick<StudyPrediction, (typeof CELL_COLUMNS)[number]> => ({
  fold: fields.wholeNumber('fold'),
  repeat: fields.wholeNumber('repeat'),
  labels: fields.fraction('labels'),
});

/**
 * The text of a study's predictions.csv. The same predictions give the same bytes, and `readStudyPredictions` returns the
 * same numbers.
 *
 * @param gradeNames of a task; they are written next to the numbers of the grades
 */
export function formatStudyPredictions(
  predictions: readonly StudyPrediction[],
  gradeNames: (task: string) => readonly string[],
): string {
  const { columns, valuesOf } = predictionColumns(predictions, gradeNames);
  return formatCsv(
    [...CELL_COLUMNS, ...columns],
    predictions.map((row) => [row.fold, row.repeat, row.labels, ...valuesOf(row)]),
  );
}

/**
 * Reads predictions.csv of a study.
 *
 * @throws SpinegradError ERR_PREDICTIONS for a value of another type; of `readCsv`
 *
 * @example
 * const predictions = await readStudyPredictions('study/predictions.csv');
 */
export async function readStudyPredictions(path: string): Promise<StudyPrediction[]> {
  return await readTable(path, [...CELL_COLUMNS, ...REQUIRED_COLUMNS], (fields) => ({
    ...parseCell(fields),
    ...parsePrediction(fields),
  }));
}
