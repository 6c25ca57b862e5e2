/**
 * The test patients, looked at once: every arm grades their discs on crops at the annotated centres and on crops at
 * the centres that the localizer finds.
 */
import { join } from 'node:path';
import type { Point } from '../anatomy.js';
import type { Bank } from '../data/bank.js';
import { cropRoi } from '../data/roi.js';
import { dicomSlices } from '../data/series.js';
import type { SliceRecord } from '../data/types.js';
import { readDicom } from '../dicom/read.js';
import { augment } from '../engine/ops/augment.js';
import { tidy } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';
import type { Centres } from '../evaluation/localization.js';
import type { Predictions } from '../evaluation/types.js';
import type { Grader } from '../model/grader.js';
import { batches, type Discs, type Normalisation } from './discs.js';
import { grade, gradeViews } from './finetune.js';
import type { Run } from './stage.js';

type TestDisc = ReturnType<Discs['graded']>[number];

/** Test discs that both kinds of crop exist for, so that the two columns of a report speak of the same discs. */
export interface TestSet {
  discs: TestDisc[];
  /** Crops at the predicted centres, uint16 [discs, size, size]. */
  crops: Uint16Array;
  size: number;
}

/**
 * Cuts the test discs at the centres that the localizer found. A disc in whose slice no centre was found, or one
 * outside the image, is cut at the nearest point of the image: a wrong crop counts as what it is.
 *
 * @param centres of each test slice of the bank, in pixels of the original image
 */
export async function cutPredicted(
  run: Pick<Run, 'device' | 'progress' | 'signal'>,
  bank: Bank,
  discs: Discs,
  slices: readonly SliceRecord[],
  centres: readonly Centres[],
): Promise<TestSet> {
  const { manifest } = bank;
  const { size } = manifest.roi;
  const byStudy = new Map(slices.map((slice, index) => [slice.studyId, { slice, centres: centres[index]! }]));
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
    const image = await readDicom(join(manifest.dataDir, slice.file));
    const source = dicomSlices(image)[0]!;
    for (const [index, disc] of tested.entries()) {
      if (disc.studyId !== studyId) continue;
      const centre = within(found[disc.level] ?? middle(slice), slice);
      crops.set(cropRoi(source, centre, manifest.roi).pixels, index * size * size);
    }
    run.progress.update('evaluation', ++done, byStudy.size);
    run.signal.throwIfAborted();
  }
  return { discs: tested, crops, size };
}

const middle = ({ imageSize: [width, height] }: SliceRecord): Point => [width / 2, height / 2];

const within = ([x, y]: Point, { imageSize: [width, height] }: SliceRecord): Point => [
  Math.min(Math.max(x, 0), width - 1),
  Math.min(Math.max(y, 0), height - 1),
];

/** What an arm says about the test discs, on annotated and on predicted crops. */
export async function assess(
  run: Pick<Run, 'device' | 'progress' | 'signal'>,
  discs: Discs,
  test: TestSet,
  grader: Grader,
): Promise<Record<'annotated' | 'predicted', Predictions>> {
  const annotated = await grade(
    grader,
    discs,
    test.discs.map(({ row }) => row),
  );
  const predicted = await gradeCrops(run, grader, test.crops, test.size, discs.normalisation);
  const about = (probabilities: number[][]): Predictions => ({
    studyId: test.discs.map(({ studyId }) => studyId),
    level: test.discs.map(({ level }) => level),
    truth: test.discs.map((disc) => disc.grade),
    probabilities,
  });
  return { annotated: about(annotated), predicted: about(predicted) };
}

const CROP_BATCH = 64;

/** Probabilities of the grades for uint16 crops [N, size, size] that are not in a bank. */
export function gradeCrops(
  { device }: Pick<Run, 'device'>,
  grader: Grader,
  crops: Uint16Array,
  size: number,
  normalisation: Normalisation,
): Promise<number[][]> {
  const count = crops.length / (size * size);
  const makeViews = batches(
    Array.from({ length: count }, (_, index) => index),
    CROP_BATCH,
  ).map((batch) => () => {
    const pixels = crops.subarray(batch[0]! * size * size, (batch.at(-1)! + 1) * size * size);
    return tidy(() =>
      augment(
        device.tensor(pixels, [batch.length, size, size]),
        device.tensor(Int32Array.from(batch, (_, index) => index)),
        { seed: 0, step: 0 },
        normalisation,
      ),
    );
  });
  return gradeViews(grader, makeViews);
}
