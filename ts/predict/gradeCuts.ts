/** Grades of the crops of a study: calibrated probabilities, the set of plausible grades, and whether the crops are novel. */
import type { Level } from '../anatomy.js';
import type { Device } from '../engine/device.js';
import { argmax } from '../evaluation/metrics.js';
import { calibrated } from '../evaluation/taskCalibration.js';
import type { Model } from '../model/bundle.js';
import { gradeCrops } from '../model/grade.js';
import { noveltiesOf } from '../model/novelty.js';
import type { Cuts } from './cutDiscs.js';
import type { TaskGrade } from './prediction.js';

/** A grade without a judgement of the disc. */
export type CutGrade = Omit<TaskGrade, 'doubtful'>;

/**
 * Grades cut discs with the first arm of a model.
 *
 * @returns the grades of each level, in the order of the model's tasks
 * @throws SpinegradError ERR_NOT_FINITE if the network overflows
 */
export async function gradeCuts(
  device: Device,
  { description, arms: [arm] }: Model,
  { crops, discs }: Cuts,
): Promise<Map<Level, CutGrade[]>> {
  const { trainedOn, input, evaluation } = description;
  const { grader, calibration, novelty } = arm!;
  const perTask = await gradeCrops(device, grader, crops, input, evaluation.views);
  const novelties = await noveltiesOf(device, grader, crops, input, novelty);
  const graded = new Map<Level, CutGrade[]>();
  for (const [task, { id, grades }] of trainedOn.tasks.entries()) {
    for (const [index, { level, side, tasks, place }] of discs.entries()) {
      if (!tasks.includes(id)) continue;
      const { probabilities, set } = calibrated(perTask[task]![index]!, calibration[task]!);
      const { series, file, instanceNumber, centre } = place;
      const grade: CutGrade = {
        ...{ task: id, side, grade: grades[argmax(probabilities)]!.name },
        probabilities: Object.fromEntries(grades.map(({ name }, i) => [name, probabilities[i]!])),
        set: set.map((i) => grades[i]!.name),
        novelty: novelties[index]!,
        image: { series, file, instanceNumber, x: rounded(centre[0]), y: rounded(centre[1]) },
      };
      graded.set(level, [...(graded.get(level) ?? []), grade]);
    }
  }
  return graded;
}

/** Pixels with two decimals. */
export const rounded = (pixels: number): number => Number(pixels.toFixed(2));
