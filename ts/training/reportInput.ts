/** The input of the report: fine-tuning curves, a training study per grade, and a few test series. */
import { basename } from 'node:path';
import type { Bank } from '../data/bank.js';
import type { Summary } from '../evaluation/types.js';
import type { FineTuningEpoch, ReportInput, TaskFigures } from '../report/types.js';
import type { Task } from '../tasks/task.js';
import type { Arm } from './arms.js';
import type { Evaluated } from './evaluateArms.js';
import type { FinetuningMetrics } from './finetune.js';
import { gradingErrors, localizationExamples } from './reportErrors.js';
import { hasEarlierCrops, predictionExamples, roiExamples } from './reportSlices.js';
import type { EpochRow, Run } from './stage.js';

/** @param saliency of each task */
export function reportInput(
  run: Run,
  bank: Bank,
  summary: Summary,
  notice: string,
  evaluated: Evaluated,
  arms: readonly (Pick<Arm, 'name' | 'description'> & { rows: EpochRow<FinetuningMetrics>[] })[],
  saliency: readonly TaskFigures['saliency'][],
): ReportInput {
  const last = arms.at(-1)!.name;
  return {
    name: basename(run.dir),
    summary,
    notice,
    arms: arms.map(({ name, description }) => ({ name, description })),
    tasks: bank.manifest.tasks.map((task, index, tasks) => ({
      curves: arms.map(({ name, rows }) => ({ arm: name, epochs: epochsOf(task, rows) })),
      roiExamples: hasEarlierCrops(tasks, index) ? [] : roiExamples(bank, index),
      predictionExamples: predictionExamples(bank, evaluated, index, last),
      gradingErrors: gradingErrors(evaluated, task, index, last),
      saliency: saliency[index]!,
    })),
    localizationExamples: localizationExamples(bank, evaluated),
    config: run.config,
  };
}

const epochsOf = ({ id }: Task, rows: readonly EpochRow<FinetuningMetrics>[]): FineTuningEpoch[] =>
  rows.map(({ epoch, trainLoss, validationTasks }) => {
    const { balancedAccuracy, recall } = validationTasks[id]!;
    return { epoch, trainLoss, validationBalancedAccuracy: balancedAccuracy, validationRecall: recall };
  });
