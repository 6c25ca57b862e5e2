/**
 * The metrics of repeated predictions as a function of the number of times that each patient is drawn. All metrics except
 * AUROC and AUPRC follow from sums over patients (confusion, calibration, log loss), so that a resample costs a sum over
 * patients and not over discs. AUROC and AUPRC use one sort of the discs for all resamples.
 */
import { calibrationBins } from '../evaluation/calibration.js';
import { meanOfDefined } from '../evaluation/evaluate.js';
import {
  argmax,
  aurocOf,
  averagePrecisionOf,
  balancedAccuracy,
  cohenKappa,
  confusionMatrix,
  descendingOrder,
  logLossSums,
  recallPerClass,
  tieWeights,
} from '../evaluation/metrics.js';
import type { Predictions } from '../evaluation/types.js';
import type { GradeScale } from '../tasks/task.js';

export const METRICS = [
  'balancedAccuracy',
  'mostSevereAsMildest',
  'kappa',
  'auroc',
  'auprc',
  'ece',
  'weightedLogLoss',
] as const;
export type MetricName = (typeof METRICS)[number];

/** The metrics of a sample. A metric that the sample does not define is null. */
export interface Values extends Record<MetricName, number | null> {
  /** Of each grade. */
  recall: (number | null)[];
}

/** The pooled predictions of an arm, once per repeat. */
export interface Sample {
  /** Sorted. */
  patients: readonly string[];
  /** The metrics of each repeat, if patient number i is drawn `drawn[i]` times; default: once. */
  valuesOf(drawn?: Float64Array): Values[];
  /** The same without AUROC and AUPRC, which cost far more than the others; they are null. */
  unrankedOf(drawn: Float64Array): Values[];
}

/** Prepares the predictions of one arm for resampling; `repeats` has one entry per repeat. */
export function sampleOf(repeats: readonly Predictions[], scale: GradeScale): Sample {
  const patients = [...new Set(repeats.flatMap(({ studyId }) => studyId))].sort();
  const index = new Map(patients.map((name, i) => [name, i]));
  const once = new Float64Array(patients.length).fill(1);
  // The copies of an ensemble are one object: they are prepared and resampled once.
  const distinct = [...new Set(repeats)];
  const prepared = distinct.map((predictions) => {
    const patientOf = Uint32Array.from(predictions.studyId, (id) => index.get(id)!);
    const sums = sumsByPatient(predictions, patientOf, patients.length, scale);
    const ranked = rankings(predictions, patientOf, scale);
    const unranked = (drawn: Float64Array) => metricsOf(sums(drawn), scale);
    return { ranked, unranked };
  });
  const ofRepeats = (values: readonly Values[]) =>
    repeats.map((predictions) => values[distinct.indexOf(predictions)]!);
  return {
    patients,
    valuesOf: (drawn = once) =>
      ofRepeats(prepared.map((own) => ({ ...own.unranked(drawn), ...own.ranked(drawn) }))),
    unrankedOf: (drawn) =>
      ofRepeats(prepared.map((own) => ({ ...own.unranked(drawn), auroc: null, auprc: null }))),
  };
}

/** The mean of each metric over the repeats that define it. */
export function meanValues(repeats: readonly Values[]): Values {
  if (repeats.length === 1) return repeats[0]!;
  const mean = (pick: (values: Values) => number | null) => meanOfDefined(repeats.map(pick));
  const recall = (repeats[0]?.recall ?? []).map((_, grade) => mean((values) => values.recall[grade]!));
  const result = { recall } as Values;
  for (const name of METRICS) result[name] = mean((values) => values[name]);
  return result;
}

/** Sums over the discs: the confusion matrix by rows, then confidence minus accuracy per bin, loss and weight. */
function sumsByPatient(
  { truth, probabilities }: Predictions,
  patientOf: Uint32Array,
  patients: number,
  { grades }: GradeScale,
): (drawn: Float64Array) => Float64Array {
  const gradeWeights = grades.map(({ weight }) => weight);
  const discs = Array.from({ length: patients }, (): number[] => []);
  for (const [disc, patient] of patientOf.entries()) discs[patient]!.push(disc);
  const rows = discs.map((own) => {
    const grade = own.map((disc) => truth[disc]!);
    const rows = own.map((disc) => probabilities[disc]!);
    const { loss, weight } = logLossSums(rows, grade, gradeWeights);
    return [
      ...confusionMatrix(grade, rows.map(argmax), grades.length).flat(),
      ...calibrationBins(rows, grade).map(({ correct, confidence }) => correct - confidence),
      loss,
      weight,
    ];
  });
  const width = rows[0]?.length ?? 0;
  const sums = Float64Array.from(rows.flat());
  return (drawn) => {
    const total = new Float64Array(width);
    for (let patient = 0; patient < drawn.length; patient++) {
      const times = drawn[patient]!;
      if (times === 0) continue;
      for (let i = 0; i < width; i++) total[i]! += times * sums[patient * width + i]!;
    }
    return total;
  };
}

/** The metrics that follow from the sums over all patients. */
function metricsOf(
  total: Float64Array,
  { grades: { length: classes }, ordered }: GradeScale,
): Omit<Values, 'auroc' | 'auprc'> {
  const confusion: number[][] = [];
  let discs = 0;
  let at = 0;
  for (let grade = 0; grade < classes; grade++) {
    const row: number[] = [];
    for (let predicted = 0; predicted < classes; predicted++, at++) {
      row.push(total[at]!);
      discs += total[at]!;
    }
    confusion.push(row);
  }
  let gaps = 0;
  for (; at < total.length - 2; at++) gaps += Math.abs(total[at]!);
  const last = confusion[classes - 1]!;
  const severe = last.reduce((sum, n) => sum + n, 0);
  return {
    balancedAccuracy: balancedAccuracy(confusion),
    recall: recallPerClass(confusion),
    mostSevereAsMildest: ordered && severe > 0 ? last[0]! / severe : null,
    kappa: cohenKappa(confusion, ordered ? 'quadratic' : 'none'),
    ece: gaps / discs,
    weightedLogLoss: total[at]! / total[at + 1]!,
  };
}

/** AUROC and AUPRC: the last grade against the rest if the grades are ordered, else the mean over the grades. */
function rankings(
  { truth, probabilities }: Predictions,
  patientOf: Uint32Array,
  { grades, ordered }: GradeScale,
): (drawn: Float64Array) => Pick<Values, 'auroc' | 'auprc'> {
  const positives = ordered ? [grades.length - 1] : grades.map((_, grade) => grade);
  const ranked = positives.map((grade) => {
    const order = descendingOrder(probabilities.map((row) => row[grade]!));
    return {
      score: Float64Array.from(order, (disc) => probabilities[disc]![grade]!),
      positive: Array.from(order, (disc) => truth[disc] === grade),
      patient: Uint32Array.from(order, (disc) => patientOf[disc]!),
      weights: new Float64Array(truth.length),
    };
  });
  const inOrder = Uint32Array.from(truth, (_, i) => i);
  return (drawn) => {
    for (const { patient, weights } of ranked) {
      for (let i = 0; i < patient.length; i++) weights[i] = drawn[patient[i]!]!;
    }
    const ties = ranked.map(({ score, positive, weights }) => tieWeights(score, positive, weights, inOrder));
    return { auroc: meanOfDefined(ties.map(aurocOf)), auprc: meanOfDefined(ties.map(averagePrecisionOf)) };
  };
}
