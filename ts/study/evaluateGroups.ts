/** The results by scanner and by field strength. */
import type { Predictions } from '../evaluation/types.js';
import type { Task } from '../tasks/task.js';
import type { ComparedArm } from './compareArms.js';
import { evaluateRepeats } from './evaluateArm.js';
import type { ResamplingOptions } from './resample.js';
import type { GroupResult } from './types.js';

/** Where a patient was examined; null if it is unknown. */
export interface PatientGroups {
  scanner: string | null;
  /** Such as `1.5 T`. */
  fieldStrength: string | null;
}

/** The results by scanner and by field strength; null if at most one of each is known. */
export function evaluateGroups(
  arms: readonly Pick<ComparedArm, 'name' | 'predictions'>[],
  task: Task,
  groups: ReadonlyMap<string, PatientGroups>,
  options: ResamplingOptions,
): GroupResult[] | null {
  const studies = [
    ...new Set(arms.flatMap(({ predictions }) => predictions.flatMap(({ studyId }) => studyId))),
  ];
  const results = (['scanner', 'fieldStrength'] as const).flatMap((kind) => {
    const values = new Set(studies.flatMap((study) => groups.get(study)?.[kind] ?? []));
    if (values.size < 2) return [];
    return [...values].sort().map((value): GroupResult => {
      const members = new Set(studies.filter((study) => groups.get(study)?.[kind] === value));
      const results = arms.flatMap(({ name, predictions }) => {
        const own = predictions.map((all) => restrict(all, members)).filter(({ truth }) => truth.length > 0);
        if (own.length === 0) return [];
        const { discs, metrics, mostSevereAsMildest } = evaluateRepeats(own, task, options).result;
        return [{ name, discs, metrics, mostSevereAsMildest }];
      });
      return { kind, value, patients: members.size, arms: results };
    });
  });
  return results.length > 0 ? results : null;
}

function restrict(predictions: Predictions, members: ReadonlySet<string>): Predictions {
  const keep = <T>(values: readonly T[]) => values.filter((_, i) => members.has(predictions.studyId[i]!));
  return {
    studyId: keep(predictions.studyId),
    level: keep(predictions.level),
    truth: keep(predictions.truth),
    probabilities: keep(predictions.probabilities),
  };
}
