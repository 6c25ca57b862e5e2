/** Counts a data set from the manifest of its bank. */
import type { Skipped } from '../error.js';
import { countReasons } from './bank.js';
import { type CutOptions, cutBank } from './cutBank.js';
import type { BankManifest, RoiRecord, SliceRecord, Split } from './types.js';

/** Entries of `skipped` or `notices` with one code. */
export interface Reason {
  code: Skipped['code'];
  count: number;
  example: Pick<Skipped, 'path' | 'message'>;
}

export interface DataCheck {
  /** Name of the data set. */
  dataset: string;
  layout: BankManifest['layout'];
  synthetic: boolean;
  studies: number;
  /** Discs with a grade of at least one task. */
  discs: number;
  /** Studies per side of the split. */
  split: Record<Split, number>;
  tasks: {
    id: string;
    /** Studies and discs with a grade of the task. */
    studies: number;
    discs: number;
    /** Graded discs by side of the split and name of the grade. */
    grades: Record<Split, Record<string, number>>;
  }[];
  series: {
    name: string;
    /** Slices of the localizer; none of an axial series. */
    slices: number;
    /** Discs that are cut from the series. */
    discs: number;
    /** Origin of the pixel spacing of each of its rows. */
    spacing: Record<RoiRecord['spacingFrom'], number>;
  }[];
  skipped: Reason[];
  notices: Reason[];
}

/**
 * Reads a data folder as `prepareBank` does and counts what a bank would hold. Nothing is written.
 *
 * @throws SpinegradError of `cutBank`
 *
 * @example
 * const { tasks, skipped } = await checkData({ data: 'rsna' });
 */
export async function checkData(options: CutOptions): Promise<DataCheck> {
  // Small crops, because nothing reads them.
  const roi = { ...options.roi, size: 8, neighbours: 0 };
  const { manifest } = await cutBank({ ...options, roi, sliceSize: 8 });
  return summariseManifest(manifest);
}

export function summariseManifest(manifest: BankManifest): DataCheck {
  const { dataset, layout, synthetic, studies, discs, rois, slices } = manifest;
  const records = [...rois, ...slices];
  const names = new Set([...manifest.series, ...slices.map(({ series }) => series)]);
  return {
    dataset,
    layout,
    synthetic,
    studies,
    discs,
    split: {
      train: countStudies(records.filter(({ split }) => split === 'train')),
      validation: countStudies(records.filter(({ split }) => split === 'validation')),
      test: countStudies(records.filter(({ split }) => split === 'test')),
    },
    tasks: manifest.tasks.map(({ id }, index) => {
      const graded = rois.filter(({ grades }) => grades[index] !== null);
      return {
        id,
        studies: countStudies(graded),
        discs: countDiscs(graded),
        grades: manifest.classCounts[id]!,
      };
    }),
    series: [...names].map((name) => {
      const used = records.filter(({ series }) => series === name);
      const from = (origin: RoiRecord['spacingFrom']) =>
        used.filter(({ spacingFrom }) => spacingFrom === origin).length;
      return {
        name,
        slices: slices.filter(({ series }) => series === name).length,
        discs: countDiscs(rois.filter(({ series }) => series === name)),
        spacing: { file: from('file'), table: from('table'), pitch: from('pitch') },
      };
    }),
    skipped: reasonsOf(manifest.skipped),
    notices: reasonsOf(manifest.notices),
  };
}

const countStudies = (records: readonly (RoiRecord | SliceRecord)[]): number =>
  new Set(records.map(({ studyId }) => studyId)).size;
const countDiscs = (rois: readonly RoiRecord[]): number => new Set(rois.map(({ disc }) => disc)).size;

const reasonsOf = (entries: readonly Skipped[]): Reason[] =>
  countReasons(entries).map(([code, count]) => {
    const { path, message } = entries.find((entry) => entry.code === code)!;
    return { code, count, example: { path, message } };
  });
