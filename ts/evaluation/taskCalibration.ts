/** What the validation patients say about the probabilities of one task and arm, and its application to a disc. */
import { conformalMinimums, conformalSet } from './conformal.js';
import { fitTemperature, scaleTemperature } from './temperatureScaling.js';

export interface TaskCalibration {
  /** Id of the task. */
  task: string;
  /** Temperature of the probabilities. */
  temperature: number;
  /** Minimum probability of each grade in a conformal set, after temperature scaling; 0: the grade is in every set. */
  minimums: number[];
  /** Number of calibration discs of each grade. */
  discs: number[];
}

/**
 * Fits the temperature, then the conformal sets of the scaled probabilities.
 *
 * @param task id of the task
 * @param probabilities [discs][grades] of the network, of discs that training did not use; at least one
 * @param truth grade of each disc
 * @param grades number of grades
 * @param coverage nominal coverage of the sets
 * @throws SpinegradError ERR_EVALUATION as `fitTemperature` and `conformalMinimums`
 *
 * @example
 * const calibration = calibrateTask('spider/pfirrmann', probabilities, truth, 5, 0.9);
 * const { probabilities, set } = calibrated([0.1, 0.2, 0.3, 0.3, 0.1], calibration);
 */
export function calibrateTask(
  task: string,
  probabilities: readonly (readonly number[])[],
  truth: readonly number[],
  grades: number,
  coverage: number,
): TaskCalibration {
  const temperature = fitTemperature(probabilities, truth);
  const scaled = probabilities.map((row) => scaleTemperature(row, temperature));
  return {
    task,
    temperature,
    minimums: conformalMinimums(scaled, truth, grades, coverage),
    discs: Array.from({ length: grades }, (_, grade) => truth.filter((each) => each === grade).length),
  };
}

/** The calibrated probabilities of a disc, and the grades of its conformal set. */
export function calibrated(
  row: readonly number[],
  { temperature, minimums }: Pick<TaskCalibration, 'temperature' | 'minimums'>,
): { probabilities: number[]; set: number[] } {
  const probabilities = scaleTemperature(row, temperature);
  return { probabilities, set: conformalSet(probabilities, minimums) };
}
