/**
 * The cells of a shard. Cells of small label fractions are short, so every n-th cell would be an uneven part. Each cell goes to the
 * shard with the least work so far, the largest cells first (Graham, "Bounds on multiprocessing timing anomalies", SIAM Journal
 * on Applied Mathematics 17, 1969). All processes compute the same parts.
 */
import type { BankManifest } from '../data/types.js';
import { armSettings } from '../training/armSettings.js';
import { armsOf } from '../training/arms.js';
import type { CellUnit } from './units.js';

/** Part `index` (1 to `count`) of the cells. */
export interface Shard {
  index: number;
  count: number;
}

/** A training step of a disc in forward passes: forward, and backward for inputs and weights. */
const STEP = 3;

/**
 * The cells of a shard, in the order of `cells`.
 *
 * @param cells all cells of the study
 */
export function cellsOfShard(
  cells: readonly CellUnit[],
  manifest: Pick<BankManifest, 'rois'>,
  { index, count }: Shard,
): CellUnit[] {
  const discs = countDiscs(manifest);
  const largestFirst = cells
    .map((cell, position) => ({ position, work: workOf(cell, discs) }))
    .sort((a, b) => b.work - a.work || a.position - b.position);
  const loads = new Array<number>(count).fill(0);
  const own = new Set<number>();
  for (const { position, work } of largestFirst) {
    const shard = loads.indexOf(Math.min(...loads));
    loads[shard]! += work;
    if (shard === index - 1) own.add(position);
  }
  return cells.filter((_, position) => own.has(position));
}

/**
 * Estimated work of a cell in forward passes of a disc: fine-tuning, validation after each epoch, and calibration and predictions,
 * which do not depend on the label fraction. Pretraining and localizers are shared and not counted.
 *
 * @param discs of the bank
 */
export function workOf(
  { config, cell }: Pick<CellUnit, 'config' | 'cell'>,
  discs: { all: number; graded: number },
): number {
  const arm = armsOf(config)[0]!;
  const fold = 1 / config.data.folds!;
  const training = { all: discs.all * (1 - 2 * fold), graded: discs.graded * (1 - 2 * fold) * cell.labels };
  const { settings, steps } = armSettings(config, training, arm);
  const trained = steps.finetuning * settings.batch * (arm.rates === null ? 1 : STEP);
  const validated = settings.epochs * discs.graded * fold * cell.labels;
  return trained + validated + discs.all;
}

function countDiscs({ rois }: Pick<BankManifest, 'rois'>): { all: number; graded: number } {
  const grades = new Map(rois.map((roi) => [roi.disc, roi.grades]));
  const graded = [...grades.values()].filter((own) => own.some((grade) => grade !== null));
  return { all: grades.size, graded: graded.length };
}
