/** What the calibration of an arm is worth on the test patients: temperature scaling and conformal sets. */
import { wilsonBounds } from '../evaluation/metrics.js';
import { measureTrust } from '../evaluation/trust.js';
import type { Predictions, Proportion, Trust } from '../evaluation/types.js';
import type { GradeScale } from '../tasks/task.js';
import type { ArmTrust, CalibratedResult, MeanProportion } from './armResult.js';
import type { StudyCalibration } from './calibrationFile.js';
import { recalibrate } from './pooledCalibration.js';
import type { StudyPrediction } from './predictionsFile.js';
import { poolFolds } from './samples.js';
import type { StudyCell } from './types.js';

/** The lines of an arm at one label fraction, for one task, on predicted crops. */
export interface TrustInput {
  lines: readonly StudyPrediction[];
  /** The validation discs of the same cells and task; empty if the cells did not keep them. */
  calibration: readonly StudyCalibration[];
  /** The cells of the plan for this arm and label fraction. */
  planned: readonly StudyCell[];
}

/**
 * Measures the calibration that each cell has from its own validation patients (`split`), and the one from the validation
 * patients of the other folds of the repeat (`pooled`).
 *
 * @returns null unless every prediction has the results of a calibration
 */
export function measureArmTrust(
  { lines, calibration, planned }: TrustInput,
  scale: GradeScale,
): ArmTrust | null {
  const { repeats, predictions } = poolFolds(lines, planned);
  const split = trustOfRepeats(predictions, scale);
  if (split === null) return null;
  const evaluated = lines.filter(({ repeat }) => repeats.includes(repeat));
  const recalibrated = recalibrate(evaluated, calibration, scale);
  return {
    nominal: split[0]!.sets.nominal,
    before: meanCalibration(split.map(({ calibration }) => calibration.before)),
    split: resultOf(split, predictions),
    pooled: recalibrated && pooledResult(recalibrated, planned, scale),
  };
}

function pooledResult(
  { lines, discs }: { lines: readonly StudyPrediction[]; discs: number },
  planned: readonly StudyCell[],
  scale: GradeScale,
): NonNullable<ArmTrust['pooled']> {
  const { predictions } = poolFolds(lines, planned);
  return { ...resultOf(trustOfRepeats(predictions, scale)!, predictions), discs };
}

/** One entry per repeat; null if a disc has no calibration. */
function trustOfRepeats(predictions: readonly Predictions[], scale: GradeScale): Trust[] | null {
  const trusts = predictions.map((own) => measureTrust(own, scale));
  const known = trusts.filter((trust) => trust !== null);
  return known.length === trusts.length ? known : null;
}

function resultOf(repeats: readonly Trust[], predictions: readonly Predictions[]): CalibratedResult {
  const rate = (pick: (sets: Trust['sets']) => Proportion) =>
    meanProportion(repeats.map(({ sets }) => pick(sets)));
  const temperatures = predictions.flatMap(({ trust }) => trust!.map((disc) => disc!.temperature));
  const grades = Object.keys(repeats[0]!.sets.coveragePerGrade);
  return {
    temperature: {
      mean: mean(temperatures),
      low: Math.min(...temperatures),
      high: Math.max(...temperatures),
    },
    after: meanCalibration(repeats.map(({ calibration }) => calibration.after)),
    coverage: rate(({ coverage }) => coverage),
    coveragePerGrade: Object.fromEntries(
      grades.map((grade) => [grade, rate(({ coveragePerGrade }) => coveragePerGrade[grade]!)]),
    ),
    meanSize: mean(repeats.map(({ sets }) => sets.meanSize)),
    single: rate(({ single }) => single),
    full: rate(({ full }) => full),
  };
}

type Calibration = Trust['calibration']['after'];

const meanCalibration = (repeats: readonly Calibration[]): Calibration => ({
  ece: mean(repeats.map(({ ece }) => ece)),
  logLoss: mean(repeats.map(({ logLoss }) => logLoss)),
  weightedLogLoss: mean(repeats.map(({ weightedLogLoss }) => weightedLogLoss)),
});

/** Mean counts over the repeats. The interval is Wilson's for n discs: the repeats test the same discs. */
function meanProportion(repeats: readonly Proportion[]): MeanProportion {
  const k = mean(repeats.map((proportion) => proportion.k));
  const n = mean(repeats.map((proportion) => proportion.n));
  return n === 0
    ? { k, n, rate: null, low: null, high: null }
    : { k, n, rate: k / n, ...wilsonBounds(k / n, n) };
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
