/** The evaluation of trained networks on the test patients, which no training step uses. */
import type { Bank } from '../data/bank.js';
import type { Split } from '../data/types.js';
import { evaluateTask, groupPredictions, type TaskResults } from '../evaluation/evaluateTask.js';
import { type DiscError, discErrors, summariseLocalization } from '../evaluation/localization.js';
import type { Prediction } from '../evaluation/predictionsFile.js';
import { rsnaScores } from '../evaluation/rsnaScore.js';
import type { LocalizationSummary, RsnaArm } from '../evaluation/types.js';
import type { Localizer } from '../model/localizer.js';
import type { Site } from '../model/sites.js';
import type { Task } from '../tasks/task.js';
import { assess, type EvaluatedArm, type GradingOptions } from './assess.js';
import { evaluatedSlice, locateRecords } from './localize.js';
import type { SearchedSlice } from './predictedPlaces.js';
import { cutPredictedSet, type PredictedSet } from './predictedSet.js';
import type { RoiDataset } from './roiDataset.js';
import type { SliceDataset } from './sliceDataset.js';
import type { Run } from './stage.js';

/** Trained networks, and where they grade. */
export interface EvaluatedNetworks {
  localizer: Localizer;
  /** Of `gradedSites`, or of a trained model. */
  sites: readonly Site[];
  arms: readonly EvaluatedArm[];
}

/** A bank and its parts on the device. */
export interface EvaluatedData {
  bank: Bank;
  discs: RoiDataset;
  slices: SliceDataset;
}

export interface Evaluated {
  localization: LocalizationSummary;
  /** In the order of the bank's tasks. */
  tasks: ({ task: Task } & TaskResults)[];
  rsna: RsnaArm[] | null;
  /** By arm, task, kind of crop and disc. */
  predictions: Prediction[];
  /** The test slices and what the localizer found. */
  searched: SearchedSlice[];
  /** Errors of the localizer: for each of these slices, one per disc that a reader marked. */
  errors: DiscError[][];
  test: PredictedSet;
}

/** The slices of one side of the split that have discs, and what the localizer finds on them. */
export async function searchSlices(
  { device }: Pick<Run, 'device'>,
  slices: SliceDataset,
  localizer: Localizer,
  split: Split,
): Promise<SearchedSlice[]> {
  const records = slices.located(split);
  const located = await locateRecords(device, localizer, slices, records);
  return records.map((record, index) => {
    const found = located[index]!;
    return { record, pitchMm: found.pitchMm, ...evaluatedSlice(record, found) };
  });
}

/**
 * The predictions of the arms for the graded test discs.
 *
 * @param test the test discs, cut where the localizer finds them
 */
export async function predictArms(
  run: Pick<Run, 'device'>,
  discs: RoiDataset,
  test: PredictedSet,
  arms: readonly EvaluatedArm[],
  options: GradingOptions,
): Promise<Prediction[]> {
  const predictions: Prediction[] = [];
  for (const arm of arms) predictions.push(...(await assess(run, discs, test, arm, options)));
  return predictions;
}

/** @param options also seed and resamples of the bootstrap */
export async function evaluateArms(
  run: Pick<Run, 'device' | 'progress' | 'signal'>,
  data: EvaluatedData,
  networks: EvaluatedNetworks,
  options: GradingOptions & { seed: number; resamples: number },
): Promise<Evaluated> {
  const searched = await searchSlices(run, data.slices, networks.localizer, 'test');
  const errors = searched.map(discErrors);
  const { bank, discs } = data;
  const test = await cutPredictedSet(run, bank, discs, searched, networks.sites, 'test');
  const predictions = await predictArms(run, discs, test, networks.arms, options);
  const grouped = groupPredictions(predictions);
  return {
    localization: summariseLocalization(errors.flat()),
    tasks: data.discs.tasks.map((task) => {
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
