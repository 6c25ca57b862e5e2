/** `curves.csv` of a study: the balanced accuracy on the validation patients after each epoch of each complete cell. */
import { readTable } from '../evaluation/table.js';
import { formatCsv } from '../io/writeCsv.js';
import { CELL_COLUMNS, parseCell } from './predictionsFile.js';
import type { StudyCell } from './types.js';

/** A cell after an epoch of fine-tuning. */
export interface CurvePoint extends StudyCell {
  /** From 1. */
  epoch: number;
  /** Optimizer steps of fine-tuning until the end of the epoch. */
  step: number;
  /** On the validation patients; mean over the tasks. */
  balancedAccuracy: number;
}

const COLUMNS = [...CELL_COLUMNS, 'arm', 'epoch', 'step', 'validation_balanced_accuracy'] as const;

/** The text of curves.csv. The same points give the same bytes. */
export const formatCurves = (points: readonly CurvePoint[]): string =>
  formatCsv(
    COLUMNS,
    points.map((point) => [
      ...[point.fold, point.repeat, point.labels, point.arm, point.epoch, point.step],
      point.balancedAccuracy,
    ]),
  );

/**
 * Reads curves.csv.
 *
 * @throws SpinegradError ERR_PREDICTIONS for a value of another type; of `readCsv`
 *
 * @example
 * const points = await readCurves('study/curves.csv');
 */
export async function readCurves(path: string): Promise<CurvePoint[]> {
  return await readTable(path, COLUMNS, (fields) => ({
    ...parseCell(fields),
    arm: fields.name('arm'),
    epoch: fields.wholeNumber('epoch'),
    step: fields.wholeNumber('step'),
    balancedAccuracy: fields.number('validation_balanced_accuracy'),
  }));
}
