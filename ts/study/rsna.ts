/** The score of the RSNA 2024 challenge over the repeats of a study, with intervals. */
import { MIN_PATIENTS, percentileInterval, resampleStudies } from '../evaluation/bootstrap.js';
import { groupBy } from '../evaluation/groupBy.js';
import { type RsnaSums, rsnaScoreOf, rsnaSums } from '../evaluation/rsnaScore.js';
import type { RsnaScore } from '../evaluation/types.js';
import { RSNA_TASKS } from '../tasks/rsna.js';
import type { Estimate } from './armResult.js';
import type { ResamplingOptions } from './resample.js';
import { type BlockLines, poolFolds } from './samples.js';
import type { StudyCell, StudyRsnaArm, StudySummary } from './types.js';

const PARTS = ['score', 'spinal', 'foraminal', 'subarticular', 'anySevereSpinal'] as const;

/** The score of each arm, for each label fraction and kind of crop; null unless all five tasks are there. */
export function rsnaResults(
  blocks: readonly BlockLines[],
  cells: readonly StudyCell[],
  options: ResamplingOptions,
): StudySummary['rsna'] {
  const groups = groupBy(blocks, ({ labels, crops }) => `${labels} ${crops}`);
  const results = [...groups.values()].flatMap((own) => {
    const { labels, crops } = own[0]!;
    if (!RSNA_TASKS.every(({ id }) => own.some(({ task }) => task === id))) return [];
    const arms = own[0]!.arms.flatMap(({ name }) => {
      const planned = cells.filter((cell) => cell.arm === name && cell.labels === labels);
      const result = armScore(own, name, planned, options);
      return result === null ? [] : [result];
    });
    return [{ labels, crops, arms }];
  });
  return results.length > 0 ? results : null;
}

function armScore(
  blocks: readonly BlockLines[],
  name: string,
  planned: readonly StudyCell[],
  options: ResamplingOptions,
): StudyRsnaArm | null {
  const lines = blocks.flatMap(({ arms }) => arms.flatMap((arm) => (arm.name === name ? arm.lines : [])));
  const pooled = [...groupBy(lines, ({ task }) => task)].map(
    ([task, own]) => [task, poolFolds(own, planned)] as const,
  );
  const { repeats, complete } = pooled[0]![1];
  const sums = repeats.map((_, i) =>
    rsnaSums(new Map(pooled.map(([task, { predictions }]) => [task, predictions[i]!]))),
  );
  const known = sums.filter((studies): studies is Map<string, RsnaSums> => studies !== null);
  if (known.length === 0) return null;
  const patients = [...new Set(known.flatMap((studies) => [...studies.keys()]))].sort();
  const prepared = known.map((studies) => {
    const index = patients.flatMap((id, i) => (studies.has(id) ? [i] : []));
    return { index, sums: index.map((i) => studies.get(patients[i]!)!) };
  });
  const scores = (weightOf: (patient: number) => number): RsnaScore[] =>
    prepared.map(({ index, sums }) => rsnaScoreOf(sums, (i) => weightOf(index[i]!)));
  const mean = (values: readonly RsnaScore[], part: keyof RsnaScore) =>
    values.reduce((sum, score) => sum + score[part], 0) / values.length;
  const perRepeat = scores(() => 1);
  const draws: RsnaScore[][] = [];
  if (patients.length >= MIN_PATIENTS) {
    const alike = patients.map(() => 0);
    for (const weights of resampleStudies(patients, alike, options)) draws.push(scores((i) => weights[i]!));
  }
  const estimates = PARTS.map((part): [keyof RsnaScore, Estimate] => {
    const bounds = draws.length > 0 ? percentileInterval(draws.map((draw) => mean(draw, part))) : null;
    const values = perRepeat.map((score) => score[part]);
    return [
      part,
      { value: mean(perRepeat, part), low: bounds?.low ?? null, high: bounds?.high ?? null, repeats: values },
    ];
  });
  const { score, spinal, foraminal, subarticular, anySevereSpinal } = Object.fromEntries(estimates) as Record<
    keyof RsnaScore,
    Estimate
  >;
  return {
    ...{ name, patients: patients.length, repeats, complete },
    ...{ score, spinal, foraminal, subarticular, anySevereSpinal },
  };
}
