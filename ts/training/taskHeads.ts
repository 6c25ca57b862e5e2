/** Checks of the tasks of a run against its settings and its bank, and the head of each task. */
import type { BankManifest, Split } from '../data/types.js';
import { SpinegradError } from '../error.js';
import type { TaskHead } from '../model/heads/heads.js';
import { expectHeadFits, type HeadName } from '../model/heads/names.js';
import type { Task } from '../tasks/task.js';

export interface HeadSettings {
  head: HeadName;
  /** By task id. */
  heads: Readonly<Record<string, HeadName>>;
  sampling: 'natural' | 'balanced';
}

/**
 * Checks that the settings of fine-tuning fit the tasks of a run.
 *
 * @param source where the settings come from, for the message
 * @throws SpinegradError ERR_CONFIG for a head of another task, a head that does not fit its task, or balanced sampling of
 *   several tasks
 */
export function taskHeads(
  { head, heads, sampling }: HeadSettings,
  tasks: readonly Task[],
  source: string,
): TaskHead[] {
  const ids = tasks.map(({ id }) => id);
  const fail = (message: string): never => {
    throw new SpinegradError('ERR_CONFIG', `${source}: ${message}`);
  };
  for (const id of Object.keys(heads)) {
    if (ids.includes(id)) continue;
    fail(`finetuning.heads: '${id}' is not a task of this run; expected one of ${ids.join(', ')}`);
  }
  if (sampling === 'balanced' && tasks.length > 1) {
    fail(
      `finetuning.sampling: 'balanced' is for one task, this run has ${tasks.length}: a disc has a grade of each; use ` +
        "'natural' and weight the grades with finetuning.alpha",
    );
  }
  return tasks.map((task) => {
    const named = heads[task.id];
    expectHeadFits(named ?? head, task, `${source}: finetuning.${named === undefined ? 'head' : 'heads'}`);
    return { task: task.id, head: named ?? head, grades: task.grades.length };
  });
}

/**
 * Refuses a bank in which a task has no graded disc in one of the splits.
 *
 * @throws SpinegradError ERR_DATA_EMPTY
 */
export function requireGraded(
  { tasks, classCounts, dataDir }: Pick<BankManifest, 'tasks' | 'classCounts' | 'dataDir'>,
  splits: readonly Split[],
): void {
  for (const { id } of tasks) {
    for (const split of splits) {
      if (Object.values(classCounts[id]![split]).some((count) => count > 0)) continue;
      throw new SpinegradError(
        'ERR_DATA_EMPTY',
        `${dataDir}: task ${id}: found no graded ${split} disc, expected at least one; add studies, try another ` +
          'data.splitSeed or data.fold, raise data.labels, or leave the task out',
      );
    }
  }
}
