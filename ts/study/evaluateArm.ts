/** The results of one arm from its pooled predictions, once per repeat. */
import { MIN_PATIENTS, percentileInterval } from '../evaluation/bootstrap.js';
import { CALIBRATION_BINS, calibrationBins } from '../evaluation/calibration.js';
import { checkPredictions, meanOfDefined, perLevel } from '../evaluation/evaluate.js';
import { argmax, confusionMatrix, wilsonBounds } from '../evaluation/metrics.js';
import type { Metrics, Predictions } from '../evaluation/types.js';
import type { GradeScale } from '../tasks/task.js';
import type { ArmResult, Estimate } from './armResult.js';
import { bootstrap, type ResamplingOptions } from './resample.js';
import { METRICS, type MetricName, meanValues, sampleOf, type Values } from './sample.js';

/** An arm with its bootstrap resamples, for differences from another arm. */
export interface EvaluatedArm {
  result: Omit<ArmResult, 'name' | 'repeats' | 'complete' | 'trust' | 'ensemble'>;
  /** Means over the repeats. */
  values: Values;
  /** The same for each resample. */
  draws: Values[];
  /** Whether there are enough patients of each grade that occurs for an interval. */
  enough: boolean;
}

/**
 * Metrics of repeated predictions: each is the mean over the repeats of the metric of that repeat's predictions. The
 * intervals are percentile intervals of a bootstrap that draws patients, with all their repeats; that of the most severe
 * grade predicted as the mildest is Wilson's for the mean rate of n discs, because it has a width even at 0 of n.
 *
 * @param repeats one entry per repeat
 * @throws SpinegradError ERR_EVALUATION for an empty sample or rows that are not probabilities
 */
export function evaluateRepeats(
  repeats: readonly Predictions[],
  scale: GradeScale,
  options: ResamplingOptions,
): EvaluatedArm {
  for (const predictions of repeats) checkPredictions(predictions, scale, 'study');
  const { grades } = scale;
  const sample = sampleOf(repeats, scale);
  const perRepeat = sample.valuesOf();
  const values = meanValues(perRepeat);
  const draws = bootstrap(sample, repeats, scale, options);
  const patients = grades.map((_, grade) => patientsWith(repeats, grade));
  const enough = patients.every((count) => count === 0 || count >= MIN_PATIENTS);
  const estimate = (pick: (values: Values) => number | null, given: boolean): Estimate => {
    const value = pick(values);
    const bounds = given && value !== null ? percentileInterval(definedOf(draws, pick)) : null;
    return { value, low: bounds?.low ?? null, high: bounds?.high ?? null, repeats: perRepeat.map(pick) };
  };
  const byGrade = <T>(entry: (grade: number) => T) =>
    Object.fromEntries(grades.map(({ name }, grade) => [name, entry(grade)]));
  const metrics = Object.fromEntries(
    METRICS.map((name) => [name, estimate((values) => values[name], enough)]),
  ) as Record<MetricName, Estimate>;
  const confusion = meanConfusion(repeats, scale);
  const last = confusion.at(-1)!;
  const severe = { k: last[0]!, n: last.reduce((sum, count) => sum + count, 0) };
  const rate = metrics.mostSevereAsMildest;
  if (rate.value !== null) Object.assign(rate, wilsonBounds(rate.value, severe.n));
  return {
    values,
    draws,
    enough,
    result: {
      patients: sample.patients.length,
      discs: mean(repeats.map(({ truth }) => truth.length)),
      patientsPerGrade: byGrade((grade) => patients[grade]!),
      metrics,
      recall: byGrade((grade) =>
        estimate((values) => values.recall[grade]!, patients[grade]! >= MIN_PATIENTS),
      ),
      mostSevereAsMildest: scale.ordered ? severe : null,
      confusion,
      reliability: reliability(repeats),
      perLevel: meanPerLevel(repeats.map((predictions) => perLevel(predictions, scale))),
    },
  };
}

/** The defined values of a metric in all resamples. */
export const definedOf = (draws: readonly Values[], pick: (values: Values) => number | null): number[] =>
  draws.map(pick).filter((value) => value !== null);

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Number of patients with a disc of the grade, over all repeats. */
function patientsWith(repeats: readonly Predictions[], grade: number): number {
  const found = repeats.flatMap(({ studyId, truth }) => studyId.filter((_, i) => truth[i] === grade));
  return new Set(found).size;
}

function meanConfusion(repeats: readonly Predictions[], { grades }: GradeScale): number[][] {
  const all = repeats.map(({ truth, probabilities }) =>
    confusionMatrix(truth, probabilities.map(argmax), grades.length),
  );
  return grades.map((_, i) => grades.map((_, j) => mean(all.map((confusion) => confusion[i]![j]!))));
}

/** The bins of a reliability diagram, over the predictions of all repeats. */
function reliability(repeats: readonly Predictions[]): ArmResult['reliability'] {
  const bins = calibrationBins(
    repeats.flatMap(({ probabilities }) => probabilities),
    repeats.flatMap(({ truth }) => truth),
  );
  return bins.flatMap(({ count, confidence, correct }, i) =>
    count === 0
      ? []
      : [
          {
            low: i / CALIBRATION_BINS,
            high: (i + 1) / CALIBRATION_BINS,
            count,
            confidence: confidence / count,
            accuracy: correct / count,
          },
        ],
  );
}

/** Means over the repeats that have a disc of the level; `correct` becomes a fraction. */
function meanPerLevel(repeats: readonly Metrics['perLevel'][]): ArmResult['perLevel'] {
  const levels = new Set(repeats.flatMap((result) => Object.keys(result)));
  const rows = [...levels].map((level) => {
    const found = repeats.flatMap((result) => result[level] ?? []);
    return [
      level,
      {
        discs: mean(found.map(({ discs }) => discs)),
        correct: mean(found.map(({ correct, discs }) => correct / discs)),
        balancedAccuracy: mean(found.map((entry) => entry.balancedAccuracy)),
        kappa: meanOfDefined(found.map(({ kappa }) => kappa)),
      },
    ];
  });
  return Object.fromEntries(rows);
}
