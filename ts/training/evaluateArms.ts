/** The evaluation of trained networks on the test patients, which no training step uses. */
import type { Bank } from '../data/bank.js';
import { evaluateTask, groupPredictions, type TaskResults } from '../evaluation/evaluateTask.js';
import { type DiscError, discErrors, summariseLocalization } from '../evaluation/localization.js';
import type { Prediction } from '../evaluation/predictionsFile.js';
import { rsnaScores } from '../evaluation/rsnaScore.js';
import type { LocalizationSummary, RsnaArm } from '../evaluation/types.js';
import type { Grader } from '../model/grader.js';
import type { Localizer } from '../model/localizer.js';
import type { Task } from '../tasks/task.js';
import { assess } from './assess.js';
import { evaluatedSlice, locateRecords } from './localize.js';
import type { RoiDataset } from './roiDataset.js';
import type { SliceDataset } from './sliceDataset.js';
import type { Run } from './stage.js';
import { cutTestSet, type SearchedSlice, type TestSet } from './testSet.js';

export interface EvaluatedArm {
  name: string;
  grader: Grader;
}

export interface Evaluated {
  localization: LocalizationSummary;
  /** In the order of the bank's tasks. */
  tasks: ({ task: Task } & TaskResults)[];
  rsna: RsnaArm[] | null;
  /** By arm, task, kind of crop and disc. */
  predictions: Prediction[];
  /** The annotated test slices and what the localizer found. */
  searched: SearchedSlice[];
  /** Errors of the localizer: for each of these slices, one per annotated disc. */
  errors: DiscError[][];
  test: TestSet;
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
  const located = await locateRecords(run.device, localizer, slices, records);
  const searched = records.map((record, index) => ({ record, ...evaluatedSlice(record, located[index]!) }));
  const errors = searched.map(discErrors);
  const test = await cutTestSet(run, bank, discs, searched);
  const predictions: Prediction[] = [];
  for (const arm of arms) predictions.push(...(await assess(run, discs, test, arm)));
  const grouped = groupPredictions(predictions);
  return {
    localization: summariseLocalization(errors.flat()),
    tasks: discs.tasks.map((task) => {
      const { arms: ofTask } = grouped.find((group) => group.task === task.id)!;
      return { task, ...evaluateTask(ofTask, task, options) };
    }),
    rsna: rsnaScores(grouped),
    predictions,
    searched,
    errors,
    test,
  };
}
