import { GRADES } from '../anatomy.js';
import { SpinegradError } from '../error.js';
import { type BootstrapOptions, MIN_PATIENTS, percentileInterval, resampleStudies } from './bootstrap.js';
import {
  argmax,
  auroc,
  averagePrecision,
  balancedAccuracy,
  confusionMatrix,
  descendingOrder,
  expectedCalibrationError,
  quadraticKappa,
  recallPerClass,
  rsnaLogLoss,
  wilsonInterval,
} from './metrics.js';
import type { Bounds, Comparison, Metrics, Predictions } from './types.js';

const CLASSES = GRADES.length;
const SEVERE = 2;
const NO_BOUNDS = { low: null, high: null };

function check(predictions: Predictions, name: string): void {
  const { studyId, level, truth, probabilities } = predictions;
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
    if (!(Number.isInteger(grade) && grade >= 0 && grade < CLASSES)) {
      fail(`found truth[${i}] = ${grade}, expected 0 (normal), 1 (moderate) or 2 (severe)`);
    }
    const row = probabilities[i]!;
    const total = row.reduce((sum, p) => sum + p, 0);
    if (row.length !== CLASSES || !row.every((p) => p >= 0 && p <= 1 + 1e-6) || Math.abs(total - 1) > 1e-3) {
      fail(
        `found probabilities[${i}] = [${row.join(', ')}], expected ${CLASSES} numbers in [0, 1] with sum 1`,
      );
    }
  });
}

/** How many patients have a disc of each grade. */
function patientsPerGrade({ studyId, truth }: Predictions): number[] {
  return GRADES.map((_, grade) => new Set(studyId.filter((_, i) => truth[i] === grade)).size);
}

/** Whether enough patients stand behind every grade that occurs. */
const enoughPatients = (perGrade: readonly number[]) =>
  perGrade.every((patients) => patients === 0 || patients >= MIN_PATIENTS);

/** Every number of `Metrics` that gets a bootstrap interval, as a function of the weights of the discs. */
function statistics({ truth, probabilities }: Predictions) {
  const called = probabilities.map(argmax);
  const score = probabilities.map((row) => row[SEVERE]!);
  const severe = truth.map((grade) => grade === SEVERE);
  const order = descendingOrder(score);
  return (weights?: Float64Array) => {
    const confusion = confusionMatrix(truth, called, CLASSES, weights);
    const [recallNormal, recallModerate, recallSevere] = recallPerClass(confusion) as [
      number | null,
      number | null,
      number | null,
    ];
    return {
      confusion,
      scalars: {
        balancedAccuracy: balancedAccuracy(confusion),
        recallNormal,
        recallModerate,
        recallSevere,
        quadraticKappa: quadraticKappa(confusion),
        auroc: auroc(score, severe, weights, order),
        auprc: averagePrecision(score, severe, weights, order),
        ece: expectedCalibrationError(probabilities, truth, weights),
        rsnaLogLoss: rsnaLogLoss(probabilities, truth, weights),
      },
    };
  };
}

/**
 * All metrics of one arm, with 95 % intervals: percentile bootstrap over studies, and Wilson for severe called normal.
 * A bootstrap interval is given if at least MIN_PATIENTS have a disc of the grade (recalls), or of every grade that
 * occurs (everything else).
 *
 * @throws SpinegradError ERR_EVALUATION for an empty sample, unequal lengths, or rows that are no probabilities
 */
export function evaluate(predictions: Predictions, options: BootstrapOptions = {}): Metrics {
  check(predictions, 'evaluate');
  const at = statistics(predictions);
  const { confusion, scalars } = at();
  const names = Object.keys(scalars) as (keyof typeof scalars)[];
  const samples = new Map(names.map((name) => [name, [] as number[]]));
  for (const weights of resampleStudies(predictions.studyId, predictions.truth, options)) {
    const drawn = at(weights).scalars;
    for (const name of names) if (drawn[name] !== null) samples.get(name)!.push(drawn[name]);
  }
  const perGrade = patientsPerGrade(predictions);
  const [normal, moderate, severe] = perGrade as [number, number, number];
  const bounds = (name: keyof typeof scalars, enough = enoughPatients(perGrade)): Bounds | null =>
    enough && scalars[name] !== null ? percentileInterval(samples.get(name)!) : null;
  const { balancedAccuracy: value, recallNormal, recallModerate, recallSevere, ...rest } = scalars;
  return {
    patients: { normal, moderate, severe, all: new Set(predictions.studyId).size },
    balancedAccuracy: { value, ...(bounds('balancedAccuracy') ?? NO_BOUNDS) },
    recall: { normal: recallNormal, moderate: recallModerate, severe: recallSevere },
    severeToNormal: wilsonInterval(
      confusion[SEVERE]![0]!,
      confusion[SEVERE]!.reduce((sum, count) => sum + count, 0),
    ),
    ...rest,
    confusion,
    intervals: {
      recallNormal: bounds('recallNormal', normal >= MIN_PATIENTS),
      recallModerate: bounds('recallModerate', moderate >= MIN_PATIENTS),
      recallSevere: bounds('recallSevere', severe >= MIN_PATIENTS),
      quadraticKappa: bounds('quadraticKappa'),
      auroc: bounds('auroc'),
      auprc: bounds('auprc'),
      ece: bounds('ece'),
      rsnaLogLoss: bounds('rsnaLogLoss'),
    },
  };
}

/**
 * Balanced accuracy of `a` minus that of `b` on the same discs, by a paired bootstrap: both arms see the same
 * resamples, so that what the patients have in common cancels. p is two-sided, twice the smaller share of resamples
 * on either side of zero (zero itself counts for both), with one added above and below so that it is never 0.
 * Interval and p are null unless at least MIN_PATIENTS have a disc of every grade that occurs.
 *
 * @throws SpinegradError ERR_EVALUATION as `evaluate`, and when the arms were not tested on the same discs in the
 *   same order
 */
export function compareArms(
  a: Predictions,
  b: Predictions,
  options: BootstrapOptions = {},
): Pick<Comparison, 'difference' | 'p'> {
  check(a, 'compareArms, first arm');
  check(b, 'compareArms, second arm');
  const same = (key: 'studyId' | 'level' | 'truth') =>
    a[key].length === b[key].length && a[key].every((value, i) => value === b[key][i]);
  for (const key of ['studyId', 'level', 'truth'] as const) {
    if (!same(key)) {
      const what = `found arms that differ in ${key}, expected the same discs in the same order`;
      throw new SpinegradError('ERR_EVALUATION', `compareArms: ${what}`);
    }
  }
  const calledA = a.probabilities.map(argmax);
  const calledB = b.probabilities.map(argmax);
  const difference = (weights?: Float64Array) =>
    balancedAccuracy(confusionMatrix(a.truth, calledA, CLASSES, weights)) -
    balancedAccuracy(confusionMatrix(b.truth, calledB, CLASSES, weights));
  if (!enoughPatients(patientsPerGrade(a))) {
    return { difference: { value: difference(), ...NO_BOUNDS }, p: null };
  }
  const drawn: number[] = [];
  for (const weights of resampleStudies(a.studyId, a.truth, options)) drawn.push(difference(weights));
  const tail = (side: (d: number) => boolean) => (drawn.filter(side).length + 1) / (drawn.length + 1);
  const p = Math.min(
    1,
    2 *
      Math.min(
        tail((d) => d <= 0),
        tail((d) => d >= 0),
      ),
  );
  return { difference: { value: difference(), ...percentileInterval(drawn) }, p };
}
