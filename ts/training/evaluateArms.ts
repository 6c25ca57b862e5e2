/** The evaluation of trained networks on the test patients, which no training step uses. */
import type { Bank } from '../data/bank.js';
import { compareArms, evaluate } from '../evaluation/evaluate.js';
import type { Centres } from '../evaluation/localization.js';
import type { Predictions, Summary } from '../evaluation/types.js';
import type { Grader } from '../model/grader.js';
import type { Localizer } from '../model/localizer.js';
import { assess, cutPredicted } from './assess.js';
import { locateRecords, summarise } from './localize.js';
import type { RoiDataset } from './roiDataset.js';
import type { SliceDataset } from './sliceDataset.js';
import type { Run } from './stage.js';

export interface Evaluated {
  results: Pick<Summary, 'localization' | 'arms' | 'comparisons'>;
  /** By arm. */
  predictions: Record<string, Record<'annotated' | 'predicted', Predictions>>;
  /** Per annotated test slice, in pixels of the original image. */
  centres: Centres[];
}

export interface EvaluatedArm {
  name: string;
  grader: Grader;
  bestEpoch: number;
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
  const { task } = discs;
  const records = slices.annotated('test');
  const centres = await locateRecords(run.device, localizer, slices, records);
  const test = await cutPredicted(run, bank, discs, records, centres);
  const predictions: Evaluated['predictions'] = {};
  const summaries: Summary['arms'] = [];
  for (const { name, grader, bestEpoch } of arms) {
    const { annotated, predicted } = await assess(run, discs, test, grader);
    predictions[name] = { annotated, predicted };
    summaries.push({
      name,
      bestEpoch,
      annotated: evaluate(annotated, task, options),
      predicted: evaluate(predicted, task, options),
    });
  }
  const comparisons = arms.flatMap(({ name: a }, i) =>
    arms.slice(0, i).map(({ name: b }) => ({
      a,
      b,
      ...compareArms(predictions[a]!.annotated, predictions[b]!.annotated, task, options),
    })),
  );
  return {
    results: { localization: summarise(centres, records), arms: summaries, comparisons },
    predictions,
    centres,
  };
}
