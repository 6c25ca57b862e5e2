/** Predictions of the arms for the test discs, on crops at the annotated centres and at those that the localizer found. */
import type { Crops, Prediction } from '../evaluation/predictionsFile.js';
import { type CropSet, gradeCrops } from '../model/grade.js';
import type { Grader } from '../model/grader.js';
import type { RoiDataset } from './roiDataset.js';
import type { Run } from './stage.js';
import type { TestDisc, TestSet } from './testSet.js';

/**
 * The predictions of an arm: for each task and kind of crop, those of the test discs with a grade.
 *
 * @param views of each crop, as for `gradeCrops`
 */
export async function assess(
  { device }: Pick<Run, 'device'>,
  dataset: RoiDataset,
  { discs, crops }: TestSet,
  { name, grader }: { name: string; grader: Grader },
  views: number,
): Promise<Prediction[]> {
  const grade = (set: CropSet) => gradeCrops(device, grader, set, dataset.input, views);
  const probabilities: Record<Crops, number[][][]> = {
    predicted: await grade(crops),
    annotated: await grade(dataset.crops(discs.map(({ disc }) => disc))),
  };
  return dataset.tasks.flatMap(({ id }, task) =>
    (['predicted', 'annotated'] as const).flatMap((kind) =>
      discs.flatMap((disc, index) => {
        const truth = disc.disc.grades[task]!;
        const values = probabilities[kind][task]![index]!;
        return truth === null ? [] : [predictionOf(id, name, kind, disc, truth, values)];
      }),
    ),
  );
}

const predictionOf = (
  task: string,
  arm: string,
  crops: Crops,
  { disc, record, image, centre, localizationMm, levelProbability, flags }: TestDisc,
  truth: number,
  probabilities: number[],
): Prediction => ({
  task,
  arm,
  crops,
  study: disc.studyId,
  level: disc.level,
  side: disc.side,
  truth,
  probabilities,
  image: crops === 'predicted' ? image : record.file,
  centre: crops === 'predicted' ? centre : record.centrePx,
  localizationMm,
  levelProbability,
  flags,
});
