/** Recomputes the results of one or more runs from their predictions files. No image and no network is read. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { SpinegradError } from '../error.js';
import type { BootstrapOptions } from '../evaluation/bootstrap.js';
import { evaluateTask, groupPredictions } from '../evaluation/evaluateTask.js';
import { summariseLocalization } from '../evaluation/localization.js';
import { readLocalization } from '../evaluation/localizationFile.js';
import { readPredictions } from '../evaluation/predictionsFile.js';
import { rsnaScores } from '../evaluation/rsnaScore.js';
import type { LocalizationSummary, RsnaArm, TaskSummary } from '../evaluation/types.js';
import type { ModelDescription } from '../model/description.js';
import { readModel } from '../model/readModel.js';
import { taskOf } from '../tasks/index.js';
import type { Task } from '../tasks/task.js';

export interface PredictionsEvaluation {
  /** Null if a file has no localization.csv next to it. */
  localization: LocalizationSummary | null;
  tasks: Omit<TaskSummary, 'classCounts'>[];
  rsna: RsnaArm[] | null;
}

/**
 * Evaluates predictions files. The files of a cross-validation are pooled: their patients are one sample. The tasks and the
 * settings of the bootstrap are those of the model.json next to the first file; without one, the tasks are looked up by
 * id, and the settings are the defaults of `evaluate`.
 *
 * @param files paths of predictions.csv
 * @throws SpinegradError ERR_TASK_MISMATCH if the runs define a task differently; ERR_TASK for an unknown task; of
 *   `readPredictions`, `readLocalization`, `groupPredictions` and `evaluateTask`
 *
 * @example
 * const { tasks } = await evaluatePredictions(['runs/fold-0/predictions.csv', 'runs/fold-1/predictions.csv']);
 */
export async function evaluatePredictions(files: readonly string[]): Promise<PredictionsEvaluation> {
  const lines = (await Promise.all(files.map(readPredictions))).flat();
  const models = new Map<string, ModelDescription>();
  for (const file of files) {
    const folder = dirname(file);
    if (existsSync(join(folder, 'model.json'))) models.set(file, await readModel(folder));
  }
  const [first] = models.values();
  const options: BootstrapOptions = first?.evaluation ?? {};
  const grouped = groupPredictions(lines);
  return {
    localization: await pooledLocalization(files),
    rsna: rsnaScores(grouped),
    tasks: grouped.map(({ task: id, arms }) => {
      const task = definitionOf(id, models);
      return { task, ...evaluateTask(arms, task, options) };
    }),
  };
}

/** The task as the runs define it, or as it is registered. */
function definitionOf(id: string, models: ReadonlyMap<string, ModelDescription>): Task {
  let defined: { file: string; task: Task } | undefined;
  for (const [file, { trainedOn }] of models) {
    const task = trainedOn.tasks.find((task) => task.id === id);
    if (task === undefined) continue;
    defined ??= { file, task };
    if (isDeepStrictEqual(task.grades, defined.task.grades) && task.ordered === defined.task.ordered)
      continue;
    throw new SpinegradError(
      'ERR_TASK_MISMATCH',
      `${file}: task ${id} has other grades than in ${defined.file}; evaluate the two separately`,
    );
  }
  return defined?.task ?? taskOf(id, 'predictions');
}

async function pooledLocalization(files: readonly string[]): Promise<LocalizationSummary | null> {
  const paths = files.map((file) => join(dirname(file), 'localization.csv'));
  if (!paths.every((path) => existsSync(path))) return null;
  return summariseLocalization((await Promise.all(paths.map(readLocalization))).flat());
}
