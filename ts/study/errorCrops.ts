/** The crops of the largest errors. */
import { readBank } from '../data/bank.js';
import type { Bank, BankManifest, RoiRecord } from '../data/types.js';
import { SpinegradError } from '../error.js';
import type { ReportImage } from '../report/types.js';
import { readTestCrops, type TestCrops } from './cropsFile.js';
import type { Study } from './study.js';
import { bankUnit, cellUnits } from './units.js';
import type { TestDisc } from './worstErrors.js';

/** Finds the crop of a graded disc of a task; null if there is none. */
export type CropSource = (task: string, disc: TestDisc) => Promise<ReportImage | null>;

/**
 * The crops of test discs at the predicted centre, as the networks saw them. Without the crops of a fold, which older versions
 * did not keep, those of the bank at the annotated centre.
 *
 * @throws SpinegradError of `readBank` and `readTestCrops`, when a crop is requested from a damaged file
 */
export function cropSource(study: Study, manifest: BankManifest): CropSource {
  const folders = new Map(
    cellUnits(study, manifest.fingerprint).map(({ cell, localizer }) => [cell.fold, localizer.dir]),
  );
  const folds = new Map<number, Promise<TestCrops | undefined>>();
  let bank: Promise<Bank | undefined> | undefined;
  const cropsOf = (fold: number) => {
    if (!folds.has(fold)) folds.set(fold, readTestCrops(folders.get(fold)!));
    return folds.get(fold)!;
  };
  return async (task, disc) => {
    const record = recordOf(manifest, task, disc);
    if (record === undefined) return null;
    const crops = await cropsOf(disc.fold);
    const row = crops?.rows.get(record.disc);
    if (crops !== undefined && row !== undefined) return imageOf(crops.pixels, crops.size, row);
    bank ??= readBank(bankUnit(study).dir).catch(absent);
    const stored = await bank;
    return stored === undefined ? null : imageOf(stored.rois, stored.manifest.roi.size, record.row);
  };
}

/** The annotated slice of the disc that is graded for the task. */
function recordOf(
  { rois, tasks }: BankManifest,
  task: string,
  { study, level, side }: TestDisc,
): RoiRecord | undefined {
  const index = tasks.findIndex(({ id }) => id === task);
  return rois.find(
    (roi) =>
      roi.studyId === study &&
      roi.level === level &&
      roi.side === side &&
      roi.sliceOffset === 0 &&
      roi.grades[index] != null,
  );
}

function absent(error: unknown): undefined {
  const isAbsent =
    error instanceof SpinegradError && ['ERR_BANK_MISSING', 'ERR_FILE_NOT_FOUND'].includes(error.code);
  if (!isAbsent) throw error;
}

const imageOf = (pixels: Uint16Array, size: number, row: number): ReportImage => ({
  pixels: pixels.subarray(row * size ** 2, (row + 1) * size ** 2),
  width: size,
  height: size,
});
