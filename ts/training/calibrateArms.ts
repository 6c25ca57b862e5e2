/**
 * Calibration of trained arms on the validation patients, on crops at the centres that the localizer finds: this is what a
 * user gets. The same patients chose the epoch, so their discs are not as new to the network as those of test patients.
 */
import type { Bank } from '../data/bank.js';
import { calibrateTask } from '../evaluation/taskCalibration.js';
import type { ArmCalibration } from '../model/armCalibration.js';
import { type CropSet, cropInputs, gradeCrops } from '../model/grade.js';
import type { Grader } from '../model/grader.js';
import { featuresOf, Novelty } from '../model/novelty.js';
import type { Site } from '../model/sites.js';
import type { GradingOptions } from './assess.js';
import type { SearchedSlice } from './predictedPlaces.js';
import { cutPredictedSet, type PredictedSet } from './predictedSet.js';
import type { RoiDataset } from './roiDataset.js';
import type { Run } from './stage.js';

/** Fraction of the validation discs whose novelty is at most the limit. */
const FAMILIAR = 0.99;

/**
 * Adds to each arm its calibration.
 *
 * @param searched the annotated validation slices and what the localizer finds on them
 * @throws SpinegradError ERR_DATA_EMPTY if a task has no graded validation disc; ERR_NOT_FINITE as `gradeCrops`
 */
export async function calibrateArms<Arm extends { grader: Grader }>(
  run: Pick<Run, 'device' | 'progress' | 'signal'>,
  { bank, discs }: { bank: Bank; discs: RoiDataset },
  { sites, arms }: { sites: readonly Site[]; arms: readonly Arm[] },
  searched: readonly SearchedSlice[],
  options: GradingOptions,
): Promise<(Arm & ArmCalibration)[]> {
  const validation = await cutPredictedSet(run, bank, discs, searched, sites, 'validation');
  const results: (Arm & ArmCalibration)[] = [];
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
): Promise<ArmCalibration> {
  const probabilities = await gradeCrops(device, grader, crops, dataset.input, views);
  const calibration = dataset.tasks.map(({ id, grades }, task) => {
    const graded = discs.flatMap(({ disc }, row) => {
      const grade = disc.grades[task]!;
      return grade === null ? [] : [{ grade, row: probabilities[task]![row]! }];
    });
    const rows = graded.map(({ row }) => row);
    const truth = graded.map(({ grade }) => grade);
    return calibrateTask(id, rows, truth, grades.length, coverage);
  });
  const features = (set: CropSet) => featuresOf(grader, cropInputs(device, set, dataset.input));
  const model = Novelty.fit(await features(dataset.crops(dataset.of('train'))));
  const scores = (await features(crops)).map((disc) => model.scoreOf(disc)).sort((a, b) => a - b);
  const limit = scores[Math.ceil(FAMILIAR * scores.length) - 1]!;
  return { calibration, novelty: { model, limit } };
}
