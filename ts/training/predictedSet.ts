/**
 * The graded discs of the test or validation patients, with a crop at the centre that the localizer finds. Every graded disc is
 * in the set, so that the figures of predicted crops are about all discs of these patients. A disc whose level the localizer did not name is
 * cut at a centre from its neighbours (predictedCentre.ts), on an image without any found disc in the middle. Its grade
 * counts like all others, and its flags state what happened.
 */
import type { PatientPoint, Point } from '../anatomy.js';
import type { Bank } from '../data/bank.js';
import { clampToImage } from '../data/roi.js';
import type { RoiRecord, Split } from '../data/types.js';
import { CropCutter } from '../model/crops.js';
import type { CropSet } from '../model/grade.js';
import type { Site } from '../model/sites.js';
import { type Origin, type PredictedPlace, PredictedPlaces, type SearchedSlice } from './predictedPlaces.js';
import type { Disc, RoiDataset } from './roiDataset.js';
import type { Run } from './stage.js';
import { requireGraded } from './taskHeads.js';

export interface PredictedDisc {
  disc: Disc;
  /** The bank's record of the annotated slice. */
  record: RoiRecord;
  /** Row of the predicted crop on this series in the crops of the set. */
  row: number;
  /** File of the slice of the predicted crop, relative to the data folder. */
  image: string;
  /** Centre of the predicted crop, in pixels of the image. */
  centre: Point;
  /** The centre in patient coordinates; null on the annotated slice. */
  centreMm: PatientPoint | null;
  /**
   * Distance of the predicted centre from the annotated one in mm, on another series than the searched one in three
   * dimensions; null if the localizer did not name the disc, or if no reader marked it.
   */
  localizationMm: number | null;
  /** Probability that the localizer named the level correctly; null if it did not name the disc. */
  levelProbability: number | null;
  /**
   * Doubts of the localizer; `not_found`: no disc of the level; `not_searched`: no slice of the study; `not_placed`: no way
   * from the searched slice to the series; `not_shown`: no slice of the series shows the predicted point.
   */
  flags: string[];
}

export interface PredictedSet {
  discs: PredictedDisc[];
  /** Crops at the predicted centres. */
  crops: CropSet;
}

/**
 * Cuts the graded discs of one side of the split at their predicted centres. A centre outside the image is moved to the nearest point of the
 * image. A disc without a predicted centre is cut in the middle of its annotated slice.
 *
 * @throws SpinegradError ERR_DATA_EMPTY if a task has no graded disc; of `readRecord` and `openImages`
 */
export async function cutPredictedSet(
  { progress, signal }: Pick<Run, 'progress' | 'signal'>,
  { manifest }: Bank,
  dataset: RoiDataset,
  searched: readonly SearchedSlice[],
  sites: readonly Site[],
  split: Split,
): Promise<PredictedSet> {
  const graded = dataset.graded(split);
  requireGraded(manifest, [split]);
  const { spec } = dataset.input;
  const places = new PredictedPlaces(manifest, sites, searched);
  const cutter = new CropCutter(manifest.roi, spec);
  const { neighbours } = cutter;
  const discs: PredictedDisc[] = [];
  const report = (done: number) =>
    progress.update(split === 'test' ? 'evaluation' : 'calibration', done, graded.length);
  report(0);
  for (const [index, disc] of graded.entries()) {
    const shown = disc.series[0]!;
    const record = manifest.rois[shown.row]!;
    const origin = places.originOf(record);
    const predicted = origin && (await places.place(origin, shown, neighbours, true));
    const place = predicted ?? (await places.annotated(shown, neighbours));
    const flags = flagsOf(origin, place, predicted === null);

    /** The disc on another series: where it was found there, else where the graded series has it. */
    const elsewhere = async (name: string): Promise<PredictedPlace | null> => {
      const other = disc.series.find(({ series }) => series === name);
      const found = other && places.originOf(manifest.rois[other.row]!);
      const from = found?.named ? found : origin;
      const placed = other && from && (await places.place(from, other, neighbours));
      if (!placed) flags.push(`not shown on ${name}`);
      return placed ?? null;
    };
    const own = spec.fusion === 'none' ? 0 : spec.series.indexOf(shown.series);
    const inputs: (PredictedPlace | null)[] = [];
    for (const name of spec.fusion === 'none' ? [shown.series] : spec.series)
      inputs.push(name === shown.series ? place : await elsewhere(name));
    const row = cutter.add(inputs)[own * spec.slices + neighbours]!;

    const isMeasured = origin?.named !== undefined && !origin.slice.record.found;
    const { slice } = place.slices.find(({ offset }) => offset === 0)!;
    discs.push({
      ...{ disc, record, row, flags },
      image: place.file,
      centre: clampToImage(place.centre, [slice.columns, slice.rows]),
      centreMm: place.centreMm,
      localizationMm: isMeasured && predicted ? distanceMm(predicted, record) : null,
      levelProbability: origin?.named?.levelProbability ?? null,
    });
    report(index + 1);
    signal.throwIfAborted();
  }
  return { discs, crops: cutter.finish() };
}

function flagsOf(origin: Origin | undefined, place: PredictedPlace, isUnplaced: boolean): string[] {
  const flags = [...(origin?.slice.doubts ?? [])];
  if (origin === undefined) flags.push('not_searched');
  if (origin?.named === undefined) flags.push('not_found');
  if (isUnplaced && origin?.point) flags.push('not_placed');
  if (!place.shown) flags.push('not_shown');
  return flags;
}

/** Between a predicted and the annotated centre: in the patient on another series, else in the plane of the slice. */
function distanceMm({ centre, centreMm }: PredictedPlace, record: RoiRecord): number {
  const { centrePx, pixelSpacing } = record;
  if (centreMm !== null && record.centreMm !== null)
    return Math.hypot(...centreMm.map((mm, axis) => mm - record.centreMm![axis]!));
  const [row, column] = pixelSpacing;
  return Math.hypot((centre[0] - centrePx[0]) * column, (centre[1] - centrePx[1]) * row);
}
