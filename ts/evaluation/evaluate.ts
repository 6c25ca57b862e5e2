import { DISC_LEVELS } from '../anatomy.js';
import { SpinegradError } from '../error.js';
import type { GradeScale } from '../tasks/task.js';
import { type BootstrapOptions, MIN_PATIENTS, percentileInterval, resampleStudies } from './bootstrap.js';
import { expectedCalibrationError } from './calibration.js';
import {
  argmax,
  auroc,
  averagePrecision,
  balancedAccuracy,
  cohenKappa,
  confusionMatrix,
  descendingOrder,
  recallPerClass,
  weightedLogLoss,
  wilsonInterval,
} from './metrics.js';
import type { Bounds, Comparison, Metrics, Predictions } from './types.js';

const NO_BOUNDS = { low: null, high: null };

/**
 * Refuses predictions that cannot be evaluated.
 *
 * @param name of the caller, for the message
 * @throws SpinegradError ERR_EVALUATION for an empty sample, unequal lengths, or rows that are not probabilities
 */
export function checkPredictions(predictions: Predictions, { grades }: GradeScale, name: string): void {
  const { studyId, level, truth, probabilities } = predictions;
  const classes = grades.length;
  const fail = (what: string): never => {
    throw new SpinegradError('ERR_EVALUATION', `${name}: ${what}`);
  };
  const discs = truth.length;
  if (discs === 0) fail('found no discs, expected at least one graded disc');
  if (studyId.length !== discs || level.length !== discs || probabilities.length !== discs) {
    const found = `${studyId.length} studyId, ${level.length} level, ${probabilities.length} probabilities`;
    fail(`found ${found} and ${discs} truth, expected one of each per disc`);
  }
  truth.forEach((grade, i) => {
    if (!(Number.isInteger(grade) && grade >= 0 && grade < classes)) {
      const expected = grades.map((each, index) => `${index} (${each.name})`).join(', ');
      fail(`found truth[${i}] = ${grade}, expected one of ${expected}`);
    }
    const row = probabilities[i]!;
    const total = row.reduce((sum, p) => sum + p, 0);
    if (row.length !== classes || !row.every((p) => p >= 0 && p <= 1 + 1e-6) || Math.abs(total - 1) > 1e-3) {
      fail(
        `found probabilities[${i}] = [${row.join(', ')}], expected ${classes} numbers in [0, 1] with sum 1`,
      );
    }
  });
}

/** Number of patients with at least one disc of each grade. */
function countPatients({ studyId, truth }: Predictions, { grades }: GradeScale): number[] {
  return grades.map((_, grade) => new Set(studyId.filter((_, i) => truth[i] === grade)).size);
}

/** Whether every grade that occurs does so in at least MIN_PATIENTS patients. */
const enoughPatients = (perGrade: readonly number[]) =>
  perGrade.every((patients) => patients === 0 || patients >= MIN_PATIENTS);

/** Mean over the defined values; null if there is none. */
export function meanOfDefined(values: readonly (number | null)[]): number | null {
  const defined = values.filter((value) => value !== null);
  return defined.length > 0 ? defined.reduce((sum, value) => sum + value, 0) / defined.length : null;
}

/** The metrics with a bootstrap interval, as a function of the weights of the discs. */
function statistics({ truth, probabilities }: Predictions, { grades, ordered }: GradeScale) {
  const predicted = probabilities.map(argmax);
  const gradeWeights = grades.map(({ weight }) => weight);
  // Each ranking separates one grade from the rest: the last grade if they are ordered, else every grade.
  const positives = ordered ? [grades.length - 1] : grades.map((_, grade) => grade);
  const rankings = positives.map((grade) => {
    const score = probabilities.map((row) => row[grade]!);
    const positive = truth.map((label) => label === grade);
    return { score, positive, order: descendingOrder(score) };
  });
  return (weights?: Float64Array) => {
    const confusion = confusionMatrix(truth, predicted, grades.length, weights);
    const ranked = (metric: typeof auroc) =>
      meanOfDefined(rankings.map(({ score, positive, order }) => metric(score, positive, weights, order)));
    return {
      confusion,
      recall: recallPerClass(confusion),
      scalars: {
        balancedAccuracy: balancedAccuracy(confusion),
        kappa: cohenKappa(confusion, ordered ? 'quadratic' : 'none'),
        auroc: ranked(auroc),
        auprc: ranked(averagePrecision),
        ece: expectedCalibrationError(probabilities, truth, weights),
        weightedLogLoss: weightedLogLoss(probabilities, truth, gradeWeights, weights),
      },
    };
  };
}

/** Metrics of the discs of each level, from cranial to caudal. */
export function perLevel(
  { level, truth, probabilities }: Predictions,
  scale: GradeScale,
): Metrics['perLevel'] {
  const rank = (name: string) => DISC_LEVELS.findIndex((disc) => name.startsWith(disc));
  const names = [...new Set(level)].sort((a, b) => rank(a) - rank(b));
  const predicted = probabilities.map(argmax);
  const rows = names.map((name): [string, Metrics['perLevel'][string]] => {
    const weights = level.map((other) => (other === name ? 1 : 0));
    const confusion = confusionMatrix(truth, predicted, scale.grades.length, weights);
    const balanced = balancedAccuracy(confusion);
    const discs = confusion.flat().reduce((sum, n) => sum + n, 0);
    const correct = confusion.reduce((sum, row, grade) => sum + row[grade]!, 0);
    const kappa = cohenKappa(confusion, scale.ordered ? 'quadratic' : 'none');
    return [name, { discs, correct, balancedAccuracy: balanced, kappa }];
  });
  return Object.fromEntries(rows);
}

/**
 * All metrics of one arm with 95 % intervals: percentile bootstrap over studies, and Wilson for `mostSevereAsMildest`. A
 * bootstrap interval is given if at least MIN_PATIENTS have a disc of the grade (recalls), or of every grade that
 * occurs (all other metrics).
 *
 * @param scale the grades of the task
 * @throws SpinegradError ERR_EVALUATION for an empty sample, unequal lengths, or rows that are not probabilities
 *
 * @example
 * const { balancedAccuracy } = evaluate(predictions, taskOf('rsna/spinal_canal_stenosis'), { seed: 1 });
 */
export function evaluate(
  predictions: Predictions,
  scale: GradeScale,
  options: BootstrapOptions = {},
): Metrics {
  checkPredictions(predictions, scale, 'evaluate');
  const { grades, ordered } = scale;
  const compute = statistics(predictions, scale);
  const { confusion, recall, scalars } = compute();
  const names = Object.keys(scalars) as (keyof typeof scalars)[];
  const samples = new Map(names.map((name) => [name, [] as number[]]));
  const recallSamples = grades.map((): number[] => []);
  for (const weights of resampleStudies(predictions.studyId, predictions.truth, options)) {
    const resample = compute(weights);
    for (const name of names) {
      const value = resample.scalars[name];
      if (value !== null) samples.get(name)!.push(value);
    }
    resample.recall.forEach((value, grade) => {
      if (value !== null) recallSamples[grade]!.push(value);
    });
  }
  const patients = countPatients(predictions, scale);
  const enough = enoughPatients(patients);
  const bounds = (name: keyof typeof scalars): Bounds | null =>
    enough && scalars[name] !== null ? percentileInterval(samples.get(name)!) : null;
  const recallBounds = recallSamples.map((values, grade) =>
    patients[grade]! >= MIN_PATIENTS ? percentileInterval(values) : null,
  );
  const byGrade = <T>(values: readonly T[]): Record<string, T> =>
    Object.fromEntries(grades.map(({ name }, grade) => [name, values[grade]!]));
  const lastRow = confusion[grades.length - 1]!;
  const { balancedAccuracy: value, ...rest } = scalars;
  return {
    patients: new Set(predictions.studyId).size,
    patientsPerGrade: byGrade(patients),
    balancedAccuracy: { value, ...(bounds('balancedAccuracy') ?? NO_BOUNDS) },
    recall: byGrade(recall),
    mostSevereAsMildest: ordered
      ? wilsonInterval(
          lastRow[0]!,
          lastRow.reduce((sum, count) => sum + count, 0),
        )
      : null,
    ...rest,
    confusion,
    perLevel: perLevel(predictions, scale),
    intervals: {
      recall: byGrade(recallBounds),
      kappa: bounds('kappa'),
      auroc: bounds('auroc'),
      auprc: bounds('auprc'),
      ece: bounds('ece'),
      weightedLogLoss: bounds('weightedLogLoss'),
    },
  };
}

/**
 * Balanced accuracy of `a` minus that of `b` on the same discs, by a paired bootstrap: both arms see the same
 * resamples, so variation between patients that affects both cancels. p is two-sided: twice the smaller fraction of
 * resamples on either side of zero (zero counts for both), with one added to numerator and denominator so that it is
 * never 0. Interval and p are null unless at least MIN_PATIENTS have a disc of every grade that occurs.
 *
 * @param scale the grades of the task
 * @throws SpinegradError ERR_EVALUATION as `evaluate`, and if the arms were not tested on the same discs in the same
 *   order
 */
export function compareArms(
  a: Predictions,
  b: Predictions,
  scale: GradeScale,
  options: BootstrapOptions = {},
): Pick<Comparison, 'difference' | 'p'> {
  checkPredictions(a, scale, 'compareArms, first arm');
  checkPredictions(b, scale, 'compareArms, second arm');
  const same = (key: 'studyId' | 'level' | 'truth') =>
    a[key].length === b[key].length && a[key].every((value, i) => value === b[key][i]);
  for (const key of ['studyId', 'level', 'truth'] as const) {
    if (same(key)) continue;
    throw new SpinegradError(
      'ERR_EVALUATION',
      `compareArms: found arms that differ in ${key}, expected the same discs in the same order`,
    );
  }
  const classes = scale.grades.length;
  const predictedA = a.probabilities.map(argmax);
  const predictedB = b.probabilities.map(argmax);
  const difference = (weights?: Float64Array) =>
    balancedAccuracy(confusionMatrix(a.truth, predictedA, classes, weights)) -
    balancedAccuracy(confusionMatrix(b.truth, predictedB, classes, weights));
  if (!enoughPatients(countPatients(a, scale))) {
    return { difference: { value: difference(), ...NO_BOUNDS }, p: null };
  }
  const resampled: number[] = [];
  for (const weights of resampleStudies(a.studyId, a.truth, options)) resampled.push(difference(weights));
  const tail = (side: (d: number) => boolean) => (resampled.filter(side).length + 1) / (resampled.length + 1);
  const below = tail((d) => d <= 0);
  const above = tail((d) => d >= 0);
  return {
    difference: { value: difference(), ...percentileInterval(resampled) },
    p: Math.min(1, 2 * Math.min(below, above)),
  };
}
