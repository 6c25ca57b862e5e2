/** The registry of tasks. */
import { SpinegradError } from '../error.js';
import { RSNA_TASKS, SPINAL_CANAL_STENOSIS } from './rsna.js';
import type { Task } from './task.js';

const registry = new Map<string, Task>();

/** The id of the task that commands and settings use unless another is named. */
export const DEFAULT_TASK = SPINAL_CANAL_STENOSIS.id;

/**
 * Adds a task to the registry.
 *
 * @throws SpinegradError ERR_TASK if the id is taken or the definition is inconsistent
 *
 * @example
 * registerTask({ ...taskOf('rsna/spinal_canal_stenosis'), id: 'clinic/disc_degeneration', grades: fiveGrades });
 */
export function registerTask(task: Task): void {
  const { id, grades, levels } = task;
  const expect = (holds: boolean, found: string, expected: string) => {
    if (holds) return;
    throw new SpinegradError('ERR_TASK', `task ${id}: found ${found}; expected ${expected}`);
  };
  const distinct = (values: readonly string[]) => new Set(values).size === values.length;
  const names = grades.map(({ name }) => name);
  const labels = grades.map(({ label }) => label.toLowerCase());
  expect(!registry.has(id), 'a task of the same id', 'a new id');
  expect(grades.length >= 2, `${grades.length} grades`, 'two or more');
  expect(distinct(names), `the grade names ${names.join(', ')}`, 'distinct names');
  expect(distinct(labels), `the labels ${labels.join(', ')}`, 'distinct labels; case is ignored');
  expect(
    grades.every(({ weight }) => weight > 0 && weight < Infinity),
    `the weights ${grades.map(({ weight }) => weight).join(', ')}`,
    'finite numbers above 0',
  );
  expect(levels.length > 0 && distinct(levels), `the levels ${levels.join(', ')}`, 'one or more, each once');
  registry.set(id, task);
}

/** Ids of all registered tasks. */
export const taskIds = (): string[] => [...registry.keys()];

/**
 * The task of an id.
 *
 * @param source where the id comes from, for the message
 * @throws SpinegradError ERR_TASK if there is no such task
 */
export function taskOf(id: string, source = 'task'): Task {
  const task = registry.get(id);
  if (task !== undefined) return task;
  throw new SpinegradError(
    'ERR_TASK',
    `${source}: there is no task '${id}'; expected one of ${taskIds().join(', ')}`,
  );
}

for (const task of RSNA_TASKS) registerTask(task);
