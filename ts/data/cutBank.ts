/**
 * Cuts the bank of a data folder in memory. Studies are cut in parallel, but enter the bank in the order of the data set, so
 * that the same data give the same bank for any number of threads.
 */
import { resolve } from 'node:path';
import type { z } from 'zod';
import { DISC_LEVELS } from '../anatomy.js';
import { type Skipped, SpinegradError } from '../error.js';
import type { CutStudy } from './cut.js';
import type { CutSpec } from './cutSpec.js';
import { type DatasetOptions, readDataset } from './dataset.js';
import { fingerprint } from './fingerprint.js';
import { countGrades } from './gradeCounts.js';
import type { AnnotatedSeries, Dataset } from './layouts/layout.js';
import { extentMm, imageSide, neighbourCount } from './limits.js';
import { CutPool } from './pool.js';
import type { CutRoi } from './seriesCutter.js';
import { checkSplit, DEFAULT_SPLIT, type SplitSpec, splitOf } from './split.js';
import type { Bank, BankManifest, RoiSpec, Split } from './types.js';

export interface CutOptions extends DatasetOptions {
  /** The data folder. */
  data: string;
  roi?: Partial<RoiSpec>;
  /** Side of the slices for the localizer, in pixels; default DEFAULT_SLICE_SIZE. */
  sliceSize?: number;
  split?: Partial<SplitSpec>;
  /** Number of threads that read and cut studies; default: the number of processors. */
  threads?: number;
  /** Also called when the work starts, with `done` 0. */
  onProgress?: (progress: { done: number; total: number; skipped: number }) => void;
  signal?: AbortSignal;
}

export const DEFAULT_ROI: RoiSpec = { size: 96, mode: 'mm', extentMm: 60, neighbours: 1 };
export const DEFAULT_SLICE_SIZE = 192;

/** Studies in flight per thread: enough to keep every thread busy, few enough to bound the memory. */
const STUDIES_PER_THREAD = 4;

/**
 * Cuts all studies of a data folder. The bank may be empty. Nothing is written.
 *
 * @throws SpinegradError the errors of `readDataset`; ERR_ROI, ERR_SPLIT for invalid settings; ERR_ABORTED by the signal
 */
export async function cutBank(options: CutOptions): Promise<Bank> {
  const { sliceSize = DEFAULT_SLICE_SIZE } = options;
  const roi = { ...DEFAULT_ROI, ...options.roi };
  const split = { ...DEFAULT_SPLIT, ...options.split };
  checkSpec(roi, sliceSize);
  checkSplit(split);
  const data = await readDataset(options.data, options);
  await using pool = new CutPool({ size: options.threads });
  const spec = cutSpec(data, (options.series ?? null) !== null, roi, sliceSize);
  const builder = new BankBuilder(data, spec, split);
  const cuts = inOrder(data.studies, STUDIES_PER_THREAD * pool.size, (study) => pool.cut(study, spec));
  let done = 0;
  const report = () =>
    options.onProgress?.({ done, total: data.studies.length, skipped: builder.skipped.length });
  report();
  for await (const cut of cuts) {
    if (options.signal?.aborted) {
      throw new SpinegradError(
        'ERR_ABORTED',
        `prepare: stopped after ${done} of ${data.studies.length} studies`,
      );
    }
    builder.add(cut);
    done++;
    report();
  }
  return builder.finish();
}

function cutSpec(
  { dir, layout, tasks, series }: Dataset,
  everySeries: boolean,
  roi: RoiSpec,
  sliceSize: number,
): CutSpec {
  const kinds = [...tasks.flatMap((task) => task.series), ...series];
  const planes = Object.fromEntries(kinds.map(({ name, plane }) => [name, plane]));
  return {
    dir,
    layout,
    sides: tasks.map(({ side }) => side),
    tasks: tasks.length,
    planes,
    crops: series.map(({ name }) => name),
    everySeries,
    roi,
    sliceSize,
  };
}

class BankBuilder {
  readonly skipped: Skipped[];
  private readonly manifest: BankManifest;
  private readonly rois: Uint16Array;
  private readonly slices: Uint16Array;
  private discs = 0;
  /** By identity of images, the study in the bank that has it. */
  private readonly studyOf = new Map<string, string>();

  constructor(data: Dataset, spec: CutSpec, split: SplitSpec) {
    const { crops, roi, sliceSize } = spec;
    const count = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
    const rows = data.studies.map(({ series }) => {
      const cropped = series.filter((item) => crops.includes(item.series));
      const discs = count((spec.everySeries ? series : cropped).map(maximumDiscs));
      return spec.everySeries ? discs * cropped.length : discs;
    });
    // Space for the maximum number of rows. Pages that are never written use no memory.
    this.rois = new Uint16Array(count(rows) * (2 * roi.neighbours + 1) * roi.size ** 2);
    this.slices = new Uint16Array(count(data.studies.map(({ series }) => series.length)) * sliceSize ** 2);
    this.skipped = [...data.skipped];
    this.manifest = {
      version: 4,
      layout: data.layout,
      dataset: data.name,
      synthetic: data.synthetic,
      dataDir: resolve(data.dir),
      tasks: [...data.tasks],
      series: [...crops],
      roi,
      sliceSize,
      split,
      studies: 0,
      ...countGrades(data.tasks, []),
      rois: [],
      slices: [],
      skipped: this.skipped,
      notices: [],
      fingerprint: '',
    };
  }

  add({ studyId, identities, discs, slices, skipped, notices }: CutStudy): void {
    const { manifest } = this;
    this.skipped.push(...skipped);
    manifest.notices.push(...notices);
    const [first = slices[0]] = discs.flat();
    if (first === undefined || this.isCopy(studyId, identities, first.file)) return;
    const split = splitOf(studyId, manifest.split);
    manifest.studies++;
    for (const rois of discs) this.addDisc(rois, split);
    for (const { pixels, ...record } of slices) {
      const row = manifest.slices.length;
      this.slices.set(pixels, row * pixels.length);
      manifest.slices.push({ row, ...record, split });
    }
  }

  /** Whether another study has an identity of this one: they are one patient, who could be in train and test. */
  private isCopy(studyId: string, identities: readonly string[], path: string): boolean {
    for (const identity of identities) {
      const other = this.studyOf.get(identity);
      if (other === undefined) continue;
      const message = `found ${identity} of study ${other}, expected it in one study; study ${studyId} skipped`;
      this.skipped.push({ path, code: 'ERR_STUDY_DUPLICATE', message });
      return true;
    }
    for (const identity of identities) this.studyOf.set(identity, studyId);
    return false;
  }

  private addDisc(rois: readonly CutRoi[], split: Split): void {
    const { manifest } = this;
    for (const { pixels, ...record } of rois) {
      const row = manifest.rois.length;
      this.rois.set(pixels, row * pixels.length);
      manifest.rois.push({ row, disc: this.discs, ...record, split });
    }
    this.discs++;
  }

  finish(): Bank {
    const { manifest } = this;
    Object.assign(manifest, countGrades(manifest.tasks, manifest.rois));
    const bank = {
      manifest,
      rois: this.rois.subarray(0, manifest.rois.length * manifest.roi.size ** 2),
      slices: this.slices.subarray(0, manifest.slices.length * manifest.sliceSize ** 2),
    };
    manifest.fingerprint = fingerprint(bank);
    return bank;
  }
}

const maximumDiscs = ({ annotation }: AnnotatedSeries): number =>
  annotation.kind === 'discs' ? annotation.discs.length : DISC_LEVELS.length;

function checkSpec(roi: RoiSpec, sliceSize: number): void {
  const expect = (limits: z.ZodNumber, found: number, name: string, expected: string) => {
    if (limits.safeParse(found).success) return;
    const { minValue, maxValue } = limits;
    throw new SpinegradError(
      'ERR_ROI',
      `${name}: found ${found}, expected ${expected} from ${minValue} to ${maxValue}`,
    );
  };
  expect(imageSide, roi.size, 'ROI size', 'an integer');
  expect(imageSide, sliceSize, 'slice size', 'an integer');
  expect(extentMm, roi.extentMm, 'ROI extent', 'a number of mm');
  expect(neighbourCount, roi.neighbours, 'neighbours', 'an integer');
}

/** Yields the results in the order of the items, with at most `concurrency` items in flight. */
async function* inOrder<T, R>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  for (const item of items) {
    const result = work(item);
    // Awaited later, in order; this handler avoids an unhandled rejection.
    result.catch(() => {});
    running.push(result);
    if (running.length === concurrency) yield await running.shift()!;
  }
  while (running.length > 0) yield await running.shift()!;
}
