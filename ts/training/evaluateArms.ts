/** The evaluation of trained networks on the test patients, which no training step uses. */
import type { Bank } from '../data/bank.js';
import { evaluateTask, groupPredictions, type TaskResults } from '../evaluation/evaluateTask.js';
import type { Centres } from '../evaluation/localization.js';
import type { Prediction } from '../evaluation/predictionsFile.js';
import type { LocalizationSummary } from '../evaluation/types.js';
import type { Grader } from '../model/grader.js';
import type { Localizer } from '../model/localizer.js';
import { locate } from '../model/locate.js';
import type { Task } from '../tasks/task.js';
import { assess } from './assess.js';
import { summarise } from './localize.js';
import type { RoiDataset } from './roiDataset.js';
import type { SliceDataset } from './sliceDataset.js';
import type { Run } from './stage.js';
import { cutTestSet, type SearchedSlice } from './testSet.js';

export interface EvaluatedArm {
  name: string;
  grader: Grader;
}

export interface Evaluated {
  localization: LocalizationSummary;
  /** In the order of the bank's tasks. */
  tasks: ({ task: Task } & TaskResults)[];
  /** By arm, task, kind of crop and disc. */
  predictions: Prediction[];
  /** The annotated test slices and what the localizer found. */
  searched: SearchedSlice[];
}

/** @param options seed and resamples of the bootstrap */
export async function evaluateArms(
  run: Pick<Run, 'device' | 'progress' | 'signal'>,
  bank: Bank,
  discs: RoiDataset,
  slices: SliceDataset,
  localizer: Localizer,
  arms: readonly EvaluatedArm[],
  options: { seed: number; resamples: number },
): Promise<Evaluated> {
  const records = slices.annotated('test');
  const { size, normalisation } = slices;
  const located = await locate(run.device, localizer, slices.letterboxed(records), size, normalisation);
  const searched = records.map(
    (record, index): SearchedSlice => ({ record, found: located[index]!.discs, doubts: [] }),
  );
  const test = await cutTestSet(run, bank, discs, searched);
  const predictions: Prediction[] = [];
  for (const arm of arms) predictions.push(...(await assess(run, discs, test, arm)));
  const grouped = groupPredictions(predictions);
  return {
    localization: summarise(searched.map(centresOf), records),
    tasks: discs.tasks.map((task) => {
      const { arms: ofTask } = grouped.find((group) => group.task === task.id)!;
      return { task, ...evaluateTask(ofTask, task, options) };
    }),
    predictions,
    searched,
  };
}

const centresOf = ({ found }: SearchedSlice): Centres =>
  Object.fromEntries(found.map(({ level, point }) => [level, point])) as Centres;
