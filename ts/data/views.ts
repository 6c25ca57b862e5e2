/**
 * Views of a bank: the same pixels with another split, fewer grades or fewer tasks. A bank is cut once and read
 * under many splits, label fractions and tasks. The fingerprint of a view is that of a bank with its records.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { SpinegradError } from '../error.js';
import { fingerprint } from './fingerprint.js';
import { countGrades } from './gradeCounts.js';
import { checkSplit, DEFAULT_SPLIT, type SplitSpec, splitOf } from './split.js';
import type { Bank, BankManifest, RoiRecord, Split } from './types.js';

/** The sides of the split on which grades can be hidden; test patients keep theirs. */
const HIDDEN_SIDES = ['train', 'validation'] as const satisfies readonly Split[];

/** Labelled patients that a side keeps at least; training and validation compute statistics over them. */
const MIN_LABELLED = 2;

/** Which patients keep their grades. */
export interface LabelSpec {
  /** Fraction of the graded training and validation patients that keep their grades, in (0, 1]. */
  fraction: number;
  /** Seed of the split. */
  splitSeed: number;
  /** Selects other patients of the same split. */
  labelSeed: number;
}

/**
 * The bank with another split; equal to a bank that was cut with it.
 *
 * @param change differences from DEFAULT_SPLIT
 * @throws SpinegradError ERR_SPLIT
 *
 * @example
 * const fold = withSplit(await readBank('bank'), { folds: 5, fold: 0 });
 */
export function withSplit(bank: Bank, change: Partial<SplitSpec>): Bank {
  const split = { ...DEFAULT_SPLIT, ...change };
  checkSplit(split);
  const place = <T extends { studyId: string; split: Split }>(record: T): T => ({
    ...record,
    split: splitOf(record.studyId, split),
  });
  const { rois, slices } = bank.manifest;
  return viewOf(bank, { split, rois: rois.map(place), slices: slices.map(place) });
}

/** The bank with all slices and discs of some studies on one side of the split. */
export function withSide(bank: Bank, studies: readonly string[], side: Split): Bank {
  const chosen = new Set(studies);
  const place = <T extends { studyId: string; split: Split }>(record: T): T =>
    chosen.has(record.studyId) ? { ...record, split: side } : record;
  const { rois, slices } = bank.manifest;
  return viewOf(bank, { rois: rois.map(place), slices: slices.map(place) });
}

/**
 * The bank with the grades of a fraction of the training and validation patients. The grades of the other patients are
 * hidden as a whole, and test patients keep theirs. The patients of a side are stratified by their worst grade of the
 * first task: every stratum keeps at least one patient. The patients of a smaller fraction are a subset of those of a
 * larger one. A patient's rank within the stratum is a hash of the seeds and the study id, so other studies do not change
 * it.
 *
 * @throws SpinegradError ERR_LABELS for a fraction outside of (0, 1]
 */
export function withLabels(bank: Bank, spec: LabelSpec): Bank {
  const { fraction } = spec;
  if (!(fraction > 0 && fraction <= 1)) {
    throw new SpinegradError(
      'ERR_LABELS',
      `labels: found the fraction ${fraction}; expected a number above 0, at most 1`,
    );
  }
  if (fraction === 1) return bank;
  const { rois } = bank.manifest;
  const hidden = new Set(HIDDEN_SIDES.flatMap((side) => hiddenPatients(rois, side, spec)));
  return viewOf(bank, {
    rois: rois.map((roi) => (hidden.has(roi.studyId) ? { ...roi, grades: roi.grades.map(() => null) } : roi)),
  });
}

/**
 * The bank with some of its tasks.
 *
 * @param ids in the order of the view
 * @throws SpinegradError ERR_TASK_MISMATCH for a task that the bank does not have
 */
export function withTasks(bank: Bank, ids: readonly string[]): Bank {
  const { tasks, rois } = bank.manifest;
  const own = tasks.map(({ id }) => id);
  if (isDeepStrictEqual(own, ids)) return bank;
  const columns = ids.map((id) => own.indexOf(id));
  const missing = columns.indexOf(-1);
  if (missing >= 0) {
    throw new SpinegradError(
      'ERR_TASK_MISMATCH',
      `tasks: found ${ids[missing]}; expected tasks of the bank: ${own.join(', ')}`,
    );
  }
  return viewOf(bank, {
    tasks: columns.map((column) => tasks[column]!),
    rois: rois.map((roi) => ({ ...roi, grades: columns.map((column) => roi.grades[column]!) })),
  });
}

/** The graded patients of a side that lose their grades. */
function hiddenPatients(rois: readonly RoiRecord[], side: Split, spec: LabelSpec): string[] {
  const worst = new Map<string, number>();
  for (const { studyId, split, grades } of rois) {
    if (split !== side || grades.every((grade) => grade === null)) continue;
    worst.set(studyId, Math.max(worst.get(studyId) ?? -1, grades[0] ?? -1));
  }
  const strata = [...new Set(worst.values())].map((grade) =>
    [...worst.keys()]
      .filter((id) => worst.get(id) === grade)
      .map((id) => ({ id, hash: labelHash(id, spec) }))
      .sort((a, b) => compare(a.hash, b.hash)),
  );
  // Patient k of m in its stratum is kept from the fraction k/m on, so that a prefix is stratified.
  const order = strata
    .flatMap((stratum) =>
      stratum.map(({ id, hash }, rank) => ({ id, hash, position: rank / stratum.length })),
    )
    .sort((a, b) => a.position - b.position || compare(a.hash, b.hash));
  const kept = Math.max(Math.round(spec.fraction * order.length), strata.length, MIN_LABELLED);
  return order.slice(kept).map(({ id }) => id);
}

const labelHash = (studyId: string, { splitSeed, labelSeed }: LabelSpec): string =>
  createHash('sha256').update(`labels:${splitSeed}:${labelSeed}:${studyId}`).digest('hex');

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function viewOf(
  bank: Bank,
  change: Partial<Pick<BankManifest, 'tasks' | 'split' | 'rois' | 'slices'>>,
): Bank {
  const manifest = { ...bank.manifest, ...change };
  const view = { ...bank, manifest: { ...manifest, ...countGrades(manifest.tasks, manifest.rois) } };
  view.manifest.fingerprint = fingerprint(view);
  return view;
}
