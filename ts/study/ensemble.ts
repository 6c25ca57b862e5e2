/** What an ensemble of the repeats adds: the mean probabilities of the networks that graded a disc. */
import type { Predictions } from '../evaluation/types.js';
import type { GradeScale } from '../tasks/task.js';
import type { Ensemble } from './armResult.js';
import { type ComparedArm, compareRepeats } from './compareArms.js';
import { evaluateRepeats } from './evaluateArm.js';
import type { ResamplingOptions } from './resample.js';
import { METRICS, type MetricName } from './sample.js';

/**
 * Evaluates the ensemble of an arm and compares it with the mean of its members, on the same resamples of patients. `pHolm` is
 * null here; `holm` needs all arms.
 *
 * @returns null unless two or more repeats tested the same discs
 */
export function evaluateEnsemble(
  arm: ComparedArm,
  scale: GradeScale,
  options: ResamplingOptions,
): Ensemble | null {
  const ensemble = meanPredictions(arm.predictions);
  if (ensemble === null) return null;
  // As many copies as members, so that both have the same resamples.
  const predictions = arm.predictions.map(() => ensemble);
  const evaluated = evaluateRepeats(predictions, scale, options);
  const { metrics, mostSevereAsMildest } = evaluated.result;
  const estimates = METRICS.map((name) => {
    const { value, low, high } = metrics[name];
    return [name, { value, low, high }] as const;
  });
  return {
    members: predictions.length,
    metrics: Object.fromEntries(estimates) as Record<MetricName, (typeof estimates)[number][1]>,
    mostSevereAsMildest,
    difference: compareRepeats({ name: arm.name, predictions, evaluated }, arm, scale, options),
  };
}

/** The mean probabilities of each disc over the repeats; null for one repeat, or if the repeats have other discs. */
export function meanPredictions(repeats: readonly Predictions[]): Predictions | null {
  const [first, ...others] = repeats;
  if (first === undefined || others.length === 0) return null;
  const { studyId, level, truth } = first;
  const isSame = (other: Predictions) =>
    other.truth.length === truth.length &&
    other.studyId.every((study, disc) => study === studyId[disc] && other.level[disc] === level[disc]);
  if (!others.every(isSame)) return null;
  const probabilities = truth.map((_, disc) =>
    first.probabilities[disc]!.map(
      (_, grade) =>
        repeats.reduce((sum, repeat) => sum + repeat.probabilities[disc]![grade]!, 0) / repeats.length,
    ),
  );
  return { studyId, level, truth, probabilities };
}
