/**
 * Calibration of trained arms on the validation patients, on crops at the centres that the localizer finds: this is what a
 * user gets. The same patients chose the epoch, so their discs are not as new to the network as those of test patients.
 */
import type { CalibrationLine } from '../evaluation/calibrationFile.js';
import { calibrateTask } from '../evaluation/taskCalibration.js';
import type { ArmCalibration } from '../model/armCalibration.js';
import { type CropSet, cropInputs, gradeCrops } from '../model/grade.js';
import type { Grader } from '../model/grader.js';
import { featuresOf, Novelty } from '../model/novelty.js';
import type { GradingOptions } from './assess.js';
import type { PredictedSet } from './predictedSet.js';
import type { RoiDataset } from './roiDataset.js';
import type { Run } from './stage.js';

/** Fraction of the validation discs whose novelty is at most the limit. */
const FAMILIAR = 0.99;

/** An arm with its calibration and what it follows from. */
export type CalibratedArm<Arm> = Arm &
  ArmCalibration & {
    /** Probabilities of the network for the graded validation discs, before temperature scaling; by task, then by disc. */
    validation: CalibrationLine[];
  };

/**
 * Adds to each arm its calibration.
 *
 * @param validation the validation discs, cut where the localizer finds them
 * @throws SpinegradError ERR_NOT_FINITE as `gradeCrops`
 */
export async function calibrateArms<Arm extends { grader: Grader }>(
  run: Pick<Run, 'device'>,
  discs: RoiDataset,
  validation: PredictedSet,
  arms: readonly Arm[],
  options: GradingOptions,
): Promise<CalibratedArm<Arm>[]> {
  const results: CalibratedArm<Arm>[] = [];
  for (const arm of arms) {
    results.push({ ...arm, ...(await calibrate(run, discs, validation, arm.grader, options)) });
  }
  return results;
}

async function calibrate(
  { device }: Pick<Run, 'device'>,
  dataset: RoiDataset,
  { discs, crops }: PredictedSet,
  grader: Grader,
  { coverage, views }: GradingOptions,
): Promise<CalibratedArm<unknown>> {
  const probabilities = await gradeCrops(device, grader, crops, dataset.input, views);
  const validation = dataset.tasks.map(({ id }, task) =>
    discs.flatMap(({ disc: { studyId: study, level, side, grades } }, row): CalibrationLine[] => {
      const truth = grades[task]!;
      return truth === null
        ? []
        : [{ task: id, study, level, side, truth, probabilities: probabilities[task]![row]! }];
    }),
  );
  const calibration = dataset.tasks.map(({ id, grades }, task) => {
    const rows = validation[task]!.map((line) => line.probabilities);
    const truth = validation[task]!.map((line) => line.truth);
    return calibrateTask(id, rows, truth, grades.length, coverage);
  });
  const features = (set: CropSet) => featuresOf(grader, cropInputs(device, set, dataset.input));
  const model = Novelty.fit(await features(dataset.crops(dataset.of('train'))));
  const scores = (await features(crops)).map((disc) => model.scoreOf(disc)).sort((a, b) => a - b);
  const limit = scores[Math.ceil(FAMILIAR * scores.length) - 1]!;
  return { calibration, novelty: { model, limit }, validation: validation.flat() };
}
