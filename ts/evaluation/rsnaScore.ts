/** The score of the RSNA 2024 Lumbar Spine Degenerative Classification challenge. */
import { RSNA_TASKS } from '../tasks/rsna.js';
import type { ArmPredictions } from './evaluateTask.js';
import { logLossSums } from './metrics.js';
import type { Crops } from './predictionsFile.js';
import type { Predictions, RsnaArm, RsnaScore } from './types.js';

/** The conditions of the challenge; both sides are one condition. */
const CONDITIONS = { spinal: /spinal_canal/, foraminal: /neural_foraminal/, subarticular: /subarticular/ };

const PARTS = ['spinal', 'foraminal', 'subarticular', 'anySevereSpinal'] as const;

const WEIGHTS = RSNA_TASKS[0]!.grades.map(({ weight }) => weight);
const SEVERE = WEIGHTS.length - 1;

/** Numerator and denominator of the four log losses of the score. */
export type RsnaSums = Record<(typeof PARTS)[number], { loss: number; weight: number }>;

/**
 * The mean of four weighted log losses: those of the three conditions, and that of severe canal stenosis at any level of a
 * study. The probability of the latter is the largest one of the study's discs, its weight that of the most severe disc.
 *
 * @param predictions of one arm, by task id
 * @returns null unless all five tasks of the challenge are there
 */
export function rsnaScore(predictions: ReadonlyMap<string, Predictions>): RsnaScore | null {
  const sums = rsnaSums(predictions);
  return sums && rsnaScoreOf([...sums.values()], () => 1);
}

/** The sums of each study, by its id; null unless all five tasks of the challenge are there. */
export function rsnaSums(predictions: ReadonlyMap<string, Predictions>): Map<string, RsnaSums> | null {
  const ids = RSNA_TASKS.map(({ id }) => id);
  if (!ids.every((id) => predictions.has(id))) return null;
  const studies = new Map<string, RsnaSums>();
  const add = (study: string, part: keyof RsnaSums, { loss, weight }: RsnaSums[keyof RsnaSums]) => {
    const none = () => ({ loss: 0, weight: 0 });
    const sums = studies.get(study) ?? {
      spinal: none(),
      foraminal: none(),
      subarticular: none(),
      anySevereSpinal: none(),
    };
    studies.set(study, sums);
    sums[part].loss += loss;
    sums[part].weight += weight;
  };
  for (const part of ['spinal', 'foraminal', 'subarticular'] as const) {
    for (const id of ids.filter((id) => CONDITIONS[part].test(id))) {
      const { studyId, truth, probabilities } = predictions.get(id)!;
      for (const [i, study] of studyId.entries()) {
        add(study, part, logLossSums([probabilities[i]!], [truth[i]!], WEIGHTS));
      }
    }
  }
  for (const [study, sums] of anySevereSums(predictions.get(ids[0]!)!)) add(study, 'anySevereSpinal', sums);
  return studies;
}

/** The score of a sample in which study `i` occurs `weightOf(i)` times. */
export function rsnaScoreOf(studies: readonly RsnaSums[], weightOf: (index: number) => number): RsnaScore {
  const lossOf = (part: keyof RsnaSums) => {
    let loss = 0;
    let weight = 0;
    studies.forEach((sums, i) => {
      const times = weightOf(i);
      loss += times * sums[part].loss;
      weight += times * sums[part].weight;
    });
    return loss / weight;
  };
  const losses = {
    spinal: lossOf('spinal'),
    foraminal: lossOf('foraminal'),
    subarticular: lossOf('subarticular'),
    anySevereSpinal: lossOf('anySevereSpinal'),
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

function anySevereSums({
  studyId,
  truth,
  probabilities,
}: Predictions): Map<string, RsnaSums[keyof RsnaSums]> {
  const studies = new Map<string, { grade: number; p: number }>();
  for (const [index, id] of studyId.entries()) {
    const { grade, p } = studies.get(id) ?? { grade: 0, p: 0 };
    studies.set(id, {
      grade: Math.max(grade, truth[index]!),
      p: Math.max(p, probabilities[index]![SEVERE]!),
    });
  }
  const sums = [...studies].map(([study, { grade, p }]) => {
    const severe = Number(grade === SEVERE);
    return [study, logLossSums([[1 - p, p]], [severe], [1, 1], [WEIGHTS[grade]!])] as const;
  });
  return new Map(sums);
}
