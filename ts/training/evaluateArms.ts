/** The evaluation of trained networks on the test patients, which no training step uses. */
import type { Bank } from '../data/bank.js';
import { evaluateTask, groupPredictions, type TaskResults } from '../evaluation/evaluateTask.js';
import { type DiscError, discErrors, summariseLocalization } from '../evaluation/localization.js';
import type { Prediction } from '../evaluation/predictionsFile.js';
import { rsnaScores } from '../evaluation/rsnaScore.js';
import type { LocalizationSummary, RsnaArm } from '../evaluation/types.js';
import type { Grader } from '../model/grader.js';
import type { Localizer } from '../model/localizer.js';
import type { Site } from '../model/sites.js';
import type { Task } from '../tasks/task.js';
import { assess } from './assess.js';
import { evaluatedSlice, locateRecords } from './localize.js';
import type { SearchedSlice } from './predictedPlaces.js';
import type { RoiDataset } from './roiDataset.js';
import type { SliceDataset } from './sliceDataset.js';
import type { Run } from './stage.js';
import { cutTestSet, type TestSet } from './testSet.js';

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

/** The annotated test slices and what the localizer finds on them. */
export async function searchTestSlices(
  { device }: Pick<Run, 'device'>,
  slices: SliceDataset,
  localizer: Localizer,
): Promise<SearchedSlice[]> {
  const records = slices.annotated('test');
  const located = await locateRecords(device, localizer, slices, records);
  return records.map((record, index) => ({ record, ...evaluatedSlice(record, located[index]!) }));
}

/**
 * The predictions of the arms for the graded test discs.
 *
 * @param sites of `gradedSites`, or of a trained model
 * @param views of each crop, as for `gradeCrops`
 */
export async function predictArms(
  run: Pick<Run, 'device' | 'progress' | 'signal'>,
  bank: Bank,
  discs: RoiDataset,
  searched: readonly SearchedSlice[],
  sites: readonly Site[],
  arms: readonly EvaluatedArm[],
  views: number,
): Promise<Pick<Evaluated, 'predictions' | 'test'>> {
  const test = await cutTestSet(run, bank, discs, searched, sites);
  const predictions: Prediction[] = [];
  for (const arm of arms) predictions.push(...(await assess(run, discs, test, arm, views)));
  return { predictions, test };
}

/** @param options seed and resamples of the bootstrap; views of each crop, as for `gradeCrops` */
export async function evaluateArms(
  run: Pick<Run, 'device' | 'progress' | 'signal'>,
  bank: Bank,
  discs: RoiDataset,
  slices: SliceDataset,
  localizer: Localizer,
  sites: readonly Site[],
  arms: readonly EvaluatedArm[],
  options: { seed: number; resamples: number; views: number },
): Promise<Evaluated> {
  const searched = await searchTestSlices(run, slices, localizer);
  const errors = searched.map(discErrors);
  const { predictions, test } = await predictArms(run, bank, discs, searched, sites, arms, options.views);
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
