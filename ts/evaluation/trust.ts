/** How far predictions can be trusted: calibration before and after temperature scaling, conformal sets, and novelty. */
import type { GradeScale } from '../tasks/task.js';
import { expectedCalibrationError } from './calibration.js';
import { weightedLogLoss, wilsonInterval } from './metrics.js';
import { scaleTemperature } from './temperatureScaling.js';
import type { DiscTrust, Predictions, Proportion, Trust } from './types.js';

/**
 * Measures what the calibration promised.
 *
 * @param predictions with calibrated probabilities
 * @returns null unless every disc has the results of a calibration
 */
export function measureTrust(predictions: Predictions, { grades }: GradeScale): Trust | null {
  const { truth, probabilities } = predictions;
  const trust = predictions.trust?.filter((each) => each !== undefined) ?? [];
  if (trust.length === 0 || trust.length < truth.length) return null;
  const before = probabilities.map((row, disc) => scaleTemperature(row, 1 / trust[disc]!.temperature));
  const calibration = (rows: readonly number[][]): Trust['calibration']['before'] => ({
    ece: expectedCalibrationError(rows, truth),
    logLoss: weightedLogLoss(
      rows,
      truth,
      grades.map(() => 1),
    ),
    weightedLogLoss: weightedLogLoss(
      rows,
      truth,
      grades.map(({ weight }) => weight),
    ),
  });
  const count = (of: (each: DiscTrust, grade: number) => boolean, grade?: number): Proportion => {
    const discs = [...truth.keys()].filter((disc) => grade === undefined || truth[disc] === grade);
    return wilsonInterval(discs.filter((disc) => of(trust[disc]!, truth[disc]!)).length, discs.length);
  };
  const isCovered = ({ set }: DiscTrust, grade: number) => set.includes(grade);
  const common = <T>(values: readonly T[]): T | null => (new Set(values).size === 1 ? values[0]! : null);
  return {
    temperature: common(trust.map(({ temperature }) => temperature)),
    calibration: { before: calibration(before), after: calibration(probabilities) },
    sets: {
      nominal: common(trust.map(({ setCoverage }) => setCoverage)),
      coverage: count(isCovered),
      coveragePerGrade: Object.fromEntries(grades.map(({ name }, grade) => [name, count(isCovered, grade)])),
      meanSize: trust.reduce((sum, { set }) => sum + set.length, 0) / trust.length,
      single: count(({ set }) => set.length === 1),
      full: count(({ set }) => set.length === grades.length),
    },
    novel: count(({ novelty }) => novelty > 1),
  };
}
