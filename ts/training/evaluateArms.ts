/** From trained networks to the numbers and examples of a report; the test patients are looked at here and only here. */

import { LEVELS } from '../anatomy.js';
import type { Bank } from '../data/bank.js';
import { compareArms, evaluate } from '../evaluation/evaluate.js';
import type { Centres } from '../evaluation/localization.js';
import type { Predictions, Summary } from '../evaluation/types.js';
import type { TrainedArm } from '../model/bundle.js';
import type { Localizer } from '../model/localizer.js';
import { taskOf } from '../tasks/index.js';
import { assess, cutPredicted } from './assess.js';
import type { Discs } from './discs.js';
import { locateRecords, summarise } from './localize.js';
import type { Slices } from './slices.js';
import type { Run } from './stage.js';

export interface Evaluated {
  results: Pick<Summary, 'localization' | 'arms' | 'comparisons'>;
  /** What each arm said, for figures. */
  predictions: Record<string, Record<'annotated' | 'predicted', Predictions>>;
  /** Of each test slice of the bank, in pixels of the original image. */
  centres: Centres[];
}

export async function evaluateArms(
  run: Pick<Run, 'config' | 'device' | 'progress' | 'signal'>,
  bank: Bank,
  discs: Discs,
  slices: Pick<Slices, 'of' | 'size' | 'normalisation'>,
  localizer: Localizer,
  arms: readonly Pick<TrainedArm, 'name' | 'grader' | 'bestEpoch'>[],
): Promise<Evaluated> {
  const { seed, evaluation } = run.config;
  const task = taskOf(run.config.task);
  const options = { seed, resamples: evaluation.resamples };
  const records = slices.of('test').filter(({ centres }) => LEVELS.some((level) => centres[level]));
  const centres = await locateRecords(run, bank, localizer, records, slices);
  const test = await cutPredicted(run, bank, discs, records, centres);
  const predictions: Evaluated['predictions'] = {};
  const summaries: Summary['arms'] = [];
  for (const { name, grader, bestEpoch } of arms) {
    const said = await assess(run, discs, test, grader);
    predictions[name] = said;
    summaries.push({
      name,
      bestEpoch,
      annotated: evaluate(said.annotated, task, options),
      predicted: evaluate(said.predicted, task, options),
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
