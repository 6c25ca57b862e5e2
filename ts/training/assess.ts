/** Predictions of the arms for the test discs, on crops at the annotated centres and at those that the localizer found. */
import type { Crops, Prediction } from '../evaluation/predictionsFile.js';
import { calibrated } from '../evaluation/taskCalibration.js';
import type { ArmCalibration } from '../model/armCalibration.js';
import { type CropSet, gradeCrops } from '../model/grade.js';
import type { Grader } from '../model/grader.js';
import { noveltiesOf } from '../model/novelty.js';
import type { PredictedDisc, PredictedSet } from './predictedSet.js';
import type { RoiDataset } from './roiDataset.js';
import type { Run } from './stage.js';

export interface EvaluatedArm extends ArmCalibration {
  name: string;
  grader: Grader;
}

export interface GradingOptions {
  /** Views of each crop, as for `gradeCrops`. */
  views: number;
  /** Nominal coverage of the conformal sets. */
  coverage: number;
}

/**
 * The predictions of an arm: for each task and kind of crop, those of the test discs with a grade. The probabilities are
 * calibrated.
 */
export async function assess(
  { device }: Pick<Run, 'device'>,
  dataset: RoiDataset,
  { discs, crops }: PredictedSet,
  { name, grader, calibration, novelty }: EvaluatedArm,
  { views, coverage }: GradingOptions,
): Promise<Prediction[]> {
  const { input } = dataset;
  const grade = async (set: CropSet) => ({
    probabilities: await gradeCrops(device, grader, set, input, views),
    novelties: await noveltiesOf(device, grader, set, input, novelty),
  });
  const graded: Record<Crops, Awaited<ReturnType<typeof grade>>> = {
    predicted: await grade(crops),
    annotated: await grade(dataset.crops(discs.map(({ disc }) => disc))),
  };
  return dataset.tasks.flatMap(({ id }, task) =>
    (['predicted', 'annotated'] as const).flatMap((kind) =>
      discs.flatMap((disc, index) => {
        const truth = disc.disc.grades[task]!;
        if (truth === null) return [];
        const { temperature } = calibration[task]!;
        const { probabilities, set } = calibrated(
          graded[kind].probabilities[task]![index]!,
          calibration[task]!,
        );
        const trust = { temperature, set, setCoverage: coverage, novelty: graded[kind].novelties[index]! };
        return { task: id, arm: name, ...placeOf(disc, kind), truth, probabilities, trust };
      }),
    ),
  );
}

function placeOf(
  { disc, record, image, centre, localizationMm, levelProbability, flags }: PredictedDisc,
  crops: Crops,
): Omit<Prediction, 'task' | 'arm' | 'truth' | 'probabilities' | 'trust'> {
  const predicted = crops === 'predicted';
  return {
    crops,
    study: disc.studyId,
    level: disc.level,
    side: disc.side,
    image: predicted ? image : record.file,
    centre: predicted ? centre : record.centrePx,
    localizationMm,
    levelProbability,
    flags,
  };
}
