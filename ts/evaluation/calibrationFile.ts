/**
 * `calibration.csv` of a cell: one line per task and graded validation disc, on predicted crops, with the probabilities of
 * the network before temperature scaling. Temperature and conformal sets follow from it. The columns are those of
 * predictions.csv.
 */
import { SIDES } from '../anatomy.js';
import { type CsvValue, formatCsv } from '../io/writeCsv.js';
import type { Prediction } from './predictionsFile.js';
import { type Fields, parseProbabilities, probabilityColumns, readTable } from './table.js';

/** A validation disc, and the probabilities of its grades. */
export type CalibrationLine = Pick<
  Prediction,
  'task' | 'study' | 'level' | 'side' | 'truth' | 'probabilities'
>;

const COLUMNS = ['task', 'study', 'level', 'side', 'truth'] as const;

/** Columns that every file has. */
export const CALIBRATION_COLUMNS: readonly string[] = [...COLUMNS, 'p_0', 'p_1'];

/** The text of calibration.csv. The same lines give the same bytes, and `readCalibration` returns the same numbers. */
export function formatCalibration(lines: readonly CalibrationLine[]): string {
  const { columns, valuesOf } = calibrationColumns(lines);
  return formatCsv(columns, lines.map(valuesOf));
}

/** The columns of a table of lines, and the values of a line in them. */
export function calibrationColumns(lines: readonly CalibrationLine[]): {
  columns: string[];
  valuesOf: (line: CalibrationLine) => CsvValue[];
} {
  const grades = probabilityColumns(lines);
  return {
    columns: [...COLUMNS, ...grades],
    valuesOf: ({ task, study, level, side, truth, probabilities }) => [
      ...[task, study, level, side, truth],
      ...grades.map((_, grade) => probabilities[grade] ?? null),
    ],
  };
}

/**
 * Reads calibration.csv.
 *
 * @throws SpinegradError ERR_PREDICTIONS for a value of another type; of `readCsv`
 *
 * @example
 * const lines = await readCalibration('cells/fold0-repeat0-labels1-scratch/calibration.csv');
 */
export async function readCalibration(path: string): Promise<CalibrationLine[]> {
  return await readTable(path, CALIBRATION_COLUMNS, parseCalibration);
}

/** The line of a table. */
export const parseCalibration = (fields: Fields): CalibrationLine => ({
  task: fields.name('task'),
  study: fields.name('study'),
  level: fields.name('level'),
  side: fields.has('side') ? fields.oneOf('side', SIDES) : null,
  truth: fields.wholeNumber('truth'),
  probabilities: parseProbabilities(fields),
});
