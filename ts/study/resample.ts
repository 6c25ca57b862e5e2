/**
 * The resampling of repeated predictions. Patients are drawn, and all discs and repeats of a patient are drawn together:
 * the repeats of a patient are not independent observations.
 */
import { type BootstrapOptions, resampleStudies } from '../evaluation/bootstrap.js';
import type { Predictions } from '../evaluation/types.js';
import { RandomStream } from '../random.js';
import type { GradeScale } from '../tasks/task.js';
import { METRICS, meanValues, type Sample, sampleOf, type Values } from './sample.js';

export interface ResamplingOptions extends BootstrapOptions {
  /** Permutations of a test; default 2000. */
  permutations?: number;
}

/** Purpose of the random stream of the permutations. */
const PERMUTATION = 0x7065726d;

/** The means over the repeats in each bootstrap resample. Samples with the same truth have the same resamples. */
export function bootstrap(
  sample: Sample,
  repeats: readonly Predictions[],
  scale: GradeScale,
  options: BootstrapOptions,
): Values[] {
  // One entry per patient, repeat and grade: a resample must have the grades that the sample has, in each repeat.
  const entries = new Map<string, { patient: string; kind: number }>();
  for (const [repeat, { studyId, truth }] of repeats.entries()) {
    for (const [disc, patient] of studyId.entries()) {
      const kind = repeat * scale.grades.length + truth[disc]!;
      entries.set(JSON.stringify([patient, kind]), { patient, kind });
    }
  }
  const list = [...entries.values()];
  const studyId = list.map(({ patient }) => patient);
  const first = sample.patients.map((patient) => studyId.indexOf(patient));
  const kinds = list.map(({ kind }) => kind);
  const drawn = new Float64Array(sample.patients.length);
  const values: Values[] = [];
  for (const weights of resampleStudies(studyId, kinds, options)) {
    for (let patient = 0; patient < drawn.length; patient++) drawn[patient] = weights[first[patient]!]!;
    values.push(meanValues(sample.valuesOf(drawn)));
  }
  return values;
}

/**
 * The differences a - b if the two arms of randomly chosen patients are exchanged, in all repeats of the patient: what
 * would be found if the arm made no difference (Good, Permutation, Parametric and Bootstrap Tests of Hypotheses, 2005).
 * AUROC and AUPRC are left out.
 *
 * @param a of the same discs as `b`, in the same order
 */
export function permutedDifferences(
  a: readonly Predictions[],
  b: readonly Predictions[],
  scale: GradeScale,
  { seed = 0, permutations = 2000 }: ResamplingOptions,
): Values[] {
  // Both arms as one sample of 2 x patients: weights select one arm for each patient.
  const joined = sampleOf(
    a.map((one, repeat) => join(one, b[repeat]!)),
    scale,
  );
  const size = joined.patients.length / 2;
  const random = new RandomStream(seed, PERMUTATION);
  return Array.from({ length: permutations }, () => {
    const chosen = new Float64Array(2 * size);
    for (let patient = 0; patient < size; patient++) {
      const exchanged = random.chance(0.5);
      chosen[patient] = exchanged ? 0 : 1;
      chosen[size + patient] = exchanged ? 1 : 0;
    }
    const others = chosen.map((weight) => 1 - weight);
    return differenceOf(meanValues(joined.unrankedOf(chosen)), meanValues(joined.unrankedOf(others)));
  });
}

/** The sorted names of the first arm's patients come before those of the second arm's. */
function join(a: Predictions, b: Predictions): Predictions {
  return {
    studyId: [...a.studyId.map((id) => `a ${id}`), ...b.studyId.map((id) => `b ${id}`)],
    level: [...a.level, ...b.level],
    truth: [...a.truth, ...b.truth],
    probabilities: [...a.probabilities, ...b.probabilities],
  };
}

/** The difference of each metric; null if one of the two is. */
export function differenceOf(a: Values, b: Values): Values {
  const minus = (x: number | null, y: number | null) => (x === null || y === null ? null : x - y);
  const result = { recall: a.recall.map((value, grade) => minus(value, b.recall[grade]!)) } as Values;
  for (const name of METRICS) result[name] = minus(a[name], b[name]);
  return result;
}
