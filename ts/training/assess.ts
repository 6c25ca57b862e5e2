/**
 * Predictions on the test patients: each arm grades their discs on crops at the annotated centres and on crops at the
 * centres that the localizer finds.
 */
import type { Point } from '../anatomy.js';
import type { Bank } from '../data/bank.js';
import { readRecord } from '../data/images.js';
import { clampToImage, cropRoi } from '../data/roi.js';
import type { SliceRecord } from '../data/types.js';
import { SpinegradError } from '../error.js';
import type { Centres } from '../evaluation/localization.js';
import type { Predictions } from '../evaluation/types.js';
import { batches } from '../model/batches.js';
import { GRADING_BATCH, gradeCrops, gradeViews } from '../model/grade.js';
import type { Grader } from '../model/grader.js';
import type { GradedDisc, RoiDataset } from './roiDataset.js';
import type { Run } from './stage.js';

/** The test discs that have both kinds of crop, so that both columns of a report are about the same discs. */
export interface TestSet {
  discs: GradedDisc[];
  /** Crops at the predicted centres, uint16 [discs, size, size]. */
  crops: Uint16Array;
  size: number;
}

/**
 * Cuts the test discs at the centres that the localizer found. A centre outside the image is moved to the nearest point
 * of the image, and a missing one to its middle: wrong crops are graded and counted like all others.
 *
 * @param centres one entry per slice, in pixels of the original image
 * @throws SpinegradError ERR_DATA_EMPTY if there is no graded test disc; of `openImages`
 */
export async function cutPredicted(
  run: Pick<Run, 'progress' | 'signal'>,
  bank: Bank,
  discs: RoiDataset,
  slices: readonly SliceRecord[],
  centres: readonly Centres[],
): Promise<TestSet> {
  const { manifest } = bank;
  const { size } = manifest.roi;
  // The slice of a study that shows the discs of its crops.
  const byStudy = new Map(
    slices
      .map((slice, index) => ({ slice, centres: centres[index]! }))
      .filter(({ slice }) => manifest.series.includes(slice.series))
      .map((located) => [located.slice.studyId, located]),
  );
  const tested = discs.graded('test').filter(({ studyId }) => byStudy.has(studyId));
  if (tested.length === 0) {
    throw new SpinegradError(
      'ERR_DATA_EMPTY',
      'evaluation: found no graded test disc, expected at least one; add studies or change data.fold',
    );
  }
  const crops = new Uint16Array(tested.length * size * size);
  let done = 0;
  for (const [studyId, { slice, centres: found }] of byStudy) {
    const source = await readRecord(manifest, slice);
    for (const [index, disc] of tested.entries()) {
      if (disc.studyId !== studyId) continue;
      const centre = clampToImage(found[disc.level] ?? middleOf(slice), slice.imageSize);
      crops.set(cropRoi(source, centre, manifest.roi).pixels, index * size * size);
    }
    run.progress.update('evaluation', ++done, byStudy.size);
    run.signal.throwIfAborted();
  }
  return { discs: tested, crops, size };
}

/** The middle of the image of a slice. */
export const middleOf = ({ imageSize: [width, height] }: SliceRecord): Point => [width / 2, height / 2];

/** Predictions of an arm for the test discs, on annotated and on predicted crops. */
export async function assess(
  { device }: Pick<Run, 'device'>,
  dataset: RoiDataset,
  { discs, crops, size }: TestSet,
  grader: Grader,
): Promise<Record<'annotated' | 'predicted', Predictions>> {
  const rows = batches(discs, GRADING_BATCH).map((batch) => batch.map(({ row }) => row));
  const annotated = await gradeViews(
    grader,
    rows.map((batch) => () => dataset.plain(batch)),
  );
  const predicted = await gradeCrops(device, grader, crops, size, dataset.normalisation);
  const predictions = (probabilities: number[][]): Predictions => ({
    studyId: discs.map(({ studyId }) => studyId),
    level: discs.map(({ level }) => level),
    truth: discs.map(({ grade }) => grade),
    probabilities,
  });
  return { annotated: predictions(annotated), predicted: predictions(predicted) };
}
