/**
 * `calibration.csv` of a cell: one line per task and graded validation disc, on predicted crops, with the probabilities of
 * the network before temperature scaling. Temperature and conformal sets follow from it. The columns are those of
 * predictions.csv.
 */
import { SIDES } from '../anatomy.js';
import { formatCsv } from '../io/writeCsv.js';
import type { Prediction } from './predictionsFile.js';
import { parseProbabilities, probabilityColumns, readTable } from './table.js';

/** A validation disc, and the probabilities of its grades. */
export type CalibrationLine = Pick<
  Prediction,
  'task' | 'study' | 'level' | 'side' | 'truth' | 'probabilities'
>;

const COLUMNS = ['task', 'study', 'level', 'side', 'truth'] as const;

/** The text of calibration.csv. The same lines give the same bytes, and `readCalibration` returns the same numbers. */
export function formatCalibration(lines: readonly CalibrationLine[]): string {
  const columns = probabilityColumns(lines);
  const rows = lines.map(({ task, study, level, side, truth, probabilities }) => [
    ...[task, study, level, side, truth],
    ...columns.map((_, grade) => probabilities[grade] ?? null),
  ]);
  return formatCsv([...COLUMNS, ...columns], rows);
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
  return await readTable(path, [...COLUMNS, 'p_0', 'p_1'], (fields) => ({
    task: fields.name('task'),
    study: fields.name('study'),
    level: fields.name('level'),
    side: fields.has('side') ? fields.oneOf('side', SIDES) : null,
    truth: fields.wholeNumber('truth'),
    probabilities: parseProbabilities(fields),
  }));
}
