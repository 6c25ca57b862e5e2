/** The registry of tasks. */
import { SpinegradError } from '../error.js';
import { RSNA_TASKS, SPINAL_CANAL_STENOSIS } from './rsna.js';
import { SPIDER_TASKS } from './spider.js';
import { parseTask, type Task, type TaskSeries } from './task.js';

const registry = new Map<string, Task>();

/** The id of the task of phantom studies, and of the RSNA layout unless others are named. */
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
  const source = `task ${task.id}`;
  if (registry.has(task.id)) {
    throw new SpinegradError('ERR_TASK', `${source}: found a task of the same id; expected a new id`);
  }
  parseTask(task, source);
  registry.set(task.id, task);
}

/** All registered tasks. */
export const registeredTasks = (): Task[] => [...registry.values()];

/** Ids of all registered tasks. */
export const taskIds = (): string[] => [...registry.keys()];

/**
 * The task of an id.
 *
 * @param source where the id comes from, for the message
 * @throws SpinegradError ERR_TASK if there is no such task
 */
export const taskOf = (id: string, source = 'task'): Task => findTask(id, registeredTasks(), source);

/** The task of an id among `tasks`; arguments and error as `taskOf`. */
export function findTask(id: string, tasks: readonly Task[], source: string): Task {
  const task = tasks.find((known) => known.id === id);
  if (task !== undefined) return task;
  throw new SpinegradError(
    'ERR_TASK',
    `${source}: there is no task '${id}'; expected one of ${tasks.map((known) => known.id).join(', ')}`,
  );
}

/** The kind of series of a name, of the given tasks or else of any registered task; undefined if none has it. */
export const seriesNamed = (name: string, tasks: readonly Task[]): TaskSeries | undefined =>
  [...tasks, ...registeredTasks()].flatMap(({ series }) => series).find((kind) => kind.name === name);

for (const task of [...RSNA_TASKS, ...SPIDER_TASKS]) registerTask(task);
