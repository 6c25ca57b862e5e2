/** The score of the RSNA 2024 Lumbar Spine Degenerative Classification challenge. */
import { RSNA_TASKS } from '../tasks/rsna.js';
import type { ArmPredictions } from './evaluateTask.js';
import { weightedLogLoss } from './metrics.js';
import type { Crops } from './predictionsFile.js';
import type { Predictions, RsnaArm, RsnaScore } from './types.js';

/** The conditions of the challenge; both sides are one condition. */
const CONDITIONS = { spinal: /spinal_canal/, foraminal: /neural_foraminal/, subarticular: /subarticular/ };

const WEIGHTS = RSNA_TASKS[0]!.grades.map(({ weight }) => weight);
const SEVERE = WEIGHTS.length - 1;

/**
 * The mean of four weighted log losses: those of the three conditions, and that of severe canal stenosis at any level of a
 * study. The probability of the latter is the largest one of the study's discs, its weight that of the most severe disc.
 *
 * @param predictions of one arm, by task id
 * @returns null unless all five tasks of the challenge are there
 */
export function rsnaScore(predictions: ReadonlyMap<string, Predictions>): RsnaScore | null {
  const ids = RSNA_TASKS.map(({ id }) => id);
  if (!ids.every((id) => predictions.has(id))) return null;
  const lossOf = (name: RegExp) => {
    const pooled = ids.filter((id) => name.test(id)).map((id) => predictions.get(id)!);
    const probabilities = pooled.flatMap((one) => one.probabilities);
    return weightedLogLoss(
      probabilities,
      pooled.flatMap(({ truth }) => truth),
      WEIGHTS,
    );
  };
  const losses = {
    spinal: lossOf(CONDITIONS.spinal),
    foraminal: lossOf(CONDITIONS.foraminal),
    subarticular: lossOf(CONDITIONS.subarticular),
    anySevereSpinal: anySevereLoss(predictions.get(ids[0]!)!),
  };
  const values = Object.values(losses);
  return { ...losses, score: values.reduce((sum, loss) => sum + loss, 0) / values.length };
}

/** The score of each arm on both kinds of crop; null unless all five tasks are there. */
export function rsnaScores(
  tasks: readonly { task: string; arms: readonly ArmPredictions[] }[],
): RsnaArm[] | null {
  const scores = (tasks[0]?.arms ?? []).map(({ name }) => {
    const of = (crops: Crops) => {
      const found = tasks.flatMap(({ task, arms }) =>
        arms.filter((arm) => arm.name === name).map((arm) => [task, arm[crops]] as const),
      );
      return rsnaScore(new Map(found));
    };
    return { name, predicted: of('predicted'), annotated: of('annotated') };
  });
  const complete = scores.filter((arm): arm is RsnaArm => arm.predicted !== null && arm.annotated !== null);
  return complete.length > 0 ? complete : null;
}

function anySevereLoss({ studyId, truth, probabilities }: Predictions): number {
  const studies = new Map<string, { grade: number; p: number }>();
  for (const [index, id] of studyId.entries()) {
    const { grade, p } = studies.get(id) ?? { grade: 0, p: 0 };
    studies.set(id, {
      grade: Math.max(grade, truth[index]!),
      p: Math.max(p, probabilities[index]![SEVERE]!),
    });
  }
  const all = [...studies.values()];
  return weightedLogLoss(
    all.map(({ p }) => [1 - p, p]),
    all.map(({ grade }) => Number(grade === SEVERE)),
    [1, 1],
    all.map(({ grade }) => WEIGHTS[grade]!),
  );
}
