/**
 * Reads a table of discs, which a spreadsheet can write, over images of any kind:
 *
 *     discs.csv    study, image, level; x, y or left, top, right, bottom; optional slice, series, spacing, side, complete,
 *                  found;
 *                  one column per task
 *     tasks.json   optional: a list of tasks (`taskSchema`) of this folder
 *
 * docs/data.md describes the columns. An invalid line is listed in `skipped` with its line number.
 */
import { basename, join, resolve } from 'node:path';
import { SpinegradError } from '../../error.js';
import { type CsvRow, readCsv } from '../../io/csv.js';
import { exists, readText } from '../../io/files.js';
import { parseJson } from '../../io/json.js';
import { registeredTasks } from '../../tasks/index.js';
import { parseTask, snakeCase, type Task } from '../../tasks/task.js';
import type { LayoutReader } from './layout.js';
import { BOX, POINT, TABLE, TableReader } from './tableReader.js';

export const TASKS = 'tasks.json';
const REQUIRED = ['study', 'image', 'level'];

/** A table of discs. */
export const table: LayoutReader = {
  name: 'table',
  files: [TABLE],

  async tasks(dir) {
    const tasks = await folderTasks(dir);
    return [...tasks, ...registeredTasks().filter(({ id }) => tasks.every((task) => task.id !== id))];
  },

  async defaults(dir) {
    const tasks = await folderTasks(dir);
    if (tasks.length > 0) return tasks;
    const columns = Object.keys((await readTable(dir, []))[0]?.fields ?? {});
    const first = registeredTasks().find(({ column }) => columns.includes(column));
    if (first !== undefined) return [first];
    throw new SpinegradError(
      'ERR_TASK',
      `${join(dir, TABLE)}: found no column of a task; expected a column such as pfirrman_grade, or the tasks of the ` +
        `columns in ${join(dir, TASKS)}`,
    );
  },

  async read(dir, tasks) {
    const reader = new TableReader(dir, tasks);
    for (const row of await readTable(dir, tasks)) await reader.add(row);
    const { studies, skipped } = reader;
    return { name: basename(resolve(dir)), synthetic: false, studies: studies(), skipped };
  },
};

/** The rows of the table; the names of its columns are in snake case. */
async function readTable(dir: string, tasks: readonly Task[]): Promise<CsvRow[]> {
  const path = join(dir, TABLE);
  const columns = [...REQUIRED, ...new Set(tasks.map(({ column }) => column))];
  const rows = await readCsv(path, columns, { nameOf: snakeCase, isMarked: true });
  const found = Object.keys(rows[0]?.fields ?? {});
  const has = (names: readonly string[]) => names.every((name) => found.includes(name));
  if (rows.length === 0 || has(POINT) || has(BOX)) return rows;
  throw new SpinegradError(
    'ERR_CSV_HEADER',
    `${path}: has neither the columns ${POINT.join(', ')} nor ${BOX.join(', ')}; found ${found.join(', ')}`,
  );
}

async function folderTasks(dir: string): Promise<Task[]> {
  const path = join(dir, TASKS);
  if (!(await exists(path))) return [];
  const text = await readText(path);
  try {
    const tasks: unknown = parseJson(text);
    if (!Array.isArray(tasks)) throw new Error(`found ${typeof tasks}, expected a list of tasks`);
    return tasks.map((task, i) => parseTask(task, `${path}: task ${i + 1}`));
  } catch (cause) {
    if (cause instanceof SpinegradError) throw cause;
    throw new SpinegradError('ERR_TASK', `${path}: ${(cause as Error).message}`, { cause });
  }
}
