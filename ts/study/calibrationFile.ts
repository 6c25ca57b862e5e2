/**
 * `calibration.csv` of a study: the validation discs of all complete cells. It has the columns of a cell's calibration.csv and
 * before them `fold`, `repeat`, `labels` and `arm`. Pooled temperatures and conformal sets follow from it and predictions.csv.
 */
import {
  CALIBRATION_COLUMNS,
  type CalibrationLine,
  calibrationColumns,
  parseCalibration,
} from '../evaluation/calibrationFile.js';
import { readTable } from '../evaluation/table.js';
import { formatCsv } from '../io/writeCsv.js';
import { CELL_COLUMNS, parseCell } from './predictionsFile.js';
import type { StudyCell } from './types.js';

/** A validation disc of one cell. */
export type StudyCalibration = StudyCell & CalibrationLine;

/** The text of a study's calibration.csv. The same lines give the same bytes. */
export function formatStudyCalibration(lines: readonly StudyCalibration[]): string {
  const { columns, valuesOf } = calibrationColumns(lines);
  return formatCsv(
    [...CELL_COLUMNS, 'arm', ...columns],
    lines.map((line) => [line.fold, line.repeat, line.labels, line.arm, ...valuesOf(line)]),
  );
}

/**
 * Reads calibration.csv of a study.
 *
 * @throws SpinegradError ERR_PREDICTIONS for a value of another type; of `readCsv`
 *
 * @example
 * const lines = await readStudyCalibration('study/calibration.csv');
 */
export async function readStudyCalibration(path: string): Promise<StudyCalibration[]> {
  return await readTable(path, [...CELL_COLUMNS, 'arm', ...CALIBRATION_COLUMNS], (fields) => ({
    ...parseCell(fields),
    arm: fields.name('arm'),
    ...parseCalibration(fields),
  }));
}
