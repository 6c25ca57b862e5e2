/**
 * The graded test discs, with a crop at the centre that the localizer finds. Every graded test disc is in the set, so that
 * the figures of predicted crops are about all discs of the test patients. A disc whose level the localizer did not name is
 * cut at a centre from its neighbours (predictedCentre.ts), on an image without any found disc in the middle. Its grade
 * counts like all others, and its flags state what happened.
 */
import type { Point } from '../anatomy.js';
import { applyAffine } from '../data/affine.js';
import type { Bank } from '../data/bank.js';
import { readRecord } from '../data/images.js';
import { clampToImage, pixelOfPatient, pointInPatient } from '../data/roi.js';
import type { SourceSlice } from '../data/series.js';
import type { RoiRecord, SliceRecord } from '../data/types.js';
import type { EvaluatedSlice } from '../evaluation/localization.js';
import type { CropSet } from '../model/grade.js';
import { MEAN_PITCH_MM } from '../model/spineShape.js';
import { predictedCentre } from './predictedCentre.js';
import { PredictedCrops } from './predictedCrops.js';
import type { Disc, RoiDataset } from './roiDataset.js';
import type { Run } from './stage.js';
import { requireGraded } from './taskHeads.js';

export interface TestDisc {
  disc: Disc;
  /** The bank's record of the annotated slice. */
  record: RoiRecord;
  /** Row of the predicted crop of this slice in the crops of the set. */
  row: number;
  /** Centre of the predicted crop, in pixels of the image. */
  centre: Point;
  /** Distance of the localizer's centre from the annotated one in mm; null if the localizer did not name the disc. */
  localizationMm: number | null;
  /** Probability that the localizer named the level correctly; null if it did not name the disc. */
  levelProbability: number | null;
  /** Doubts of the localizer; `not_found` without a disc of the level, `searched on` another series, `not_searched`. */
  flags: string[];
}

export interface TestSet {
  discs: TestDisc[];
  /** Crops at the predicted centres. */
  crops: CropSet;
}

/** A test slice and the discs that the localizer found on it. */
export type SearchedSlice = EvaluatedSlice & { record: SliceRecord };

/** The discs that the localizer found, and the usual step from one to the next caudal one, in pixels of a slice. */
type FoundDiscs = Pick<SearchedSlice, 'found' | 'doubts'> & { step: Point };

/**
 * Cuts the graded test discs at their predicted centres. Discs and slices belong together by series; if the localizer did not
 * search the series, its centres on another series of the study are projected. A centre outside the image is moved to the
 * nearest point of the image.
 *
 * @throws SpinegradError ERR_DATA_EMPTY if there is no graded test disc; of `readRecord`
 */
export async function cutTestSet(
  { progress, signal }: Pick<Run, 'progress' | 'signal'>,
  { manifest }: Bank,
  dataset: RoiDataset,
  searched: readonly SearchedSlice[],
): Promise<TestSet> {
  const bySeries = new Map(searched.map((slice) => [seriesKey(slice.record), slice]));
  const byStudy = new Map(searched.map((slice) => [slice.record.studyId, slice]));
  const graded = dataset.graded('test').map((disc) => ({ disc, record: manifest.rois[disc.row]! }));
  requireGraded(manifest, ['test']);
  const crops = new PredictedCrops(manifest, dataset.input.spec);
  const discs: TestDisc[] = [];
  let image: { key: string; source: SourceSlice } | undefined;
  for (const [index, { disc, record }] of graded.entries()) {
    const key = `${record.file} ${record.instanceNumber}`;
    if (image?.key !== key) image = { key, source: await readRecord(manifest, record) };
    const { source } = image;
    const own = bySeries.get(seriesKey(record));
    const other = byStudy.get(record.studyId);
    const slice = own ?? (other && projected(await readRecord(manifest, other.record), other, source));
    const predicted = predict(record, source, slice);
    const centreOn = (other: RoiRecord) =>
      bySeries.get(seriesKey(other))?.found.find(({ level }) => level === disc.level)?.point ?? null;
    const { row, missing } = await crops.add({ disc, record, source, centre: predicted.centre, centreOn });
    predicted.flags.push(...missing.map((name) => `not shown on ${name}`));
    discs.push({ disc, record, row, ...predicted });
    progress.update('evaluation', index + 1, graded.length);
    signal.throwIfAborted();
  }
  return { discs, crops: crops.finish() };
}

/**
 * What was found on another series, in pixels of `source`. The points are projected as they are: a foramen is not where the canal
 * is, and its distance from the canal is a part of `localizationMm`.
 *
 * @returns undefined without geometry or pixel spacing
 */
function projected(
  searchedSource: SourceSlice,
  { found, doubts, record }: SearchedSlice,
  source: SourceSlice,
): FoundDiscs | undefined {
  const isKnown = [source, searchedSource].every(
    (slice) => slice.geometry !== null && slice.pixelSpacing !== null,
  );
  if (!isKnown) return undefined;
  const project = (point: Point) => pixelOfPatient(source, pointInPatient(searchedSource, point)!)!;
  const [origin, below] = [project([0, 0]), project(stepOf(record))];
  return {
    found: found.map((disc) => ({ ...disc, point: project(disc.point) })),
    doubts: [...doubts, `searched on ${record.series}`],
    step: [below[0] - origin[0], below[1] - origin[1]],
  };
}

const seriesKey = ({ studyId, seriesId }: SliceRecord | RoiRecord): string =>
  JSON.stringify([studyId, seriesId]);

function predict(
  { level, centrePx, pixelSpacing }: RoiRecord,
  { columns, rows }: SourceSlice,
  slice: SearchedSlice | FoundDiscs | undefined,
): Omit<TestDisc, 'disc' | 'record' | 'row'> {
  const found = slice?.found ?? [];
  const named = found.find((disc) => disc.level === level);
  const flags = [...(slice?.doubts ?? [])];
  if (slice === undefined) flags.push('not_searched');
  if (named === undefined) flags.push('not_found');
  const [row, column] = pixelSpacing;
  const centre = slice && predictedCentre(found, level, 'step' in slice ? slice.step : stepOf(slice.record));
  return {
    centre: clampToImage(centre ?? [columns / 2, rows / 2], [columns, rows]),
    localizationMm: named
      ? Math.hypot((named.point[0] - centrePx[0]) * column, (named.point[1] - centrePx[1]) * row)
      : null,
    levelProbability: named?.levelProbability ?? null,
    flags,
  };
}

/** The usual way from a disc to the next caudal one in pixels of the image; the letterboxed slice has the head up. */
function stepOf({ toImage, pixelSpacing: [row, column] }: SliceRecord): Point {
  const [origin, below] = [applyAffine(toImage, [0, 0]), applyAffine(toImage, [0, 1])];
  const [dx, dy] = [below[0] - origin[0], below[1] - origin[1]];
  const scale = MEAN_PITCH_MM / Math.hypot(dx * column, dy * row);
  return [dx * scale, dy * scale];
}
