/** Reads a data folder of any layout. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SpinegradError } from '../error.js';
import { exists } from '../io/files.js';
import { findTask } from '../tasks/index.js';
import type { Task, TaskSeries } from '../tasks/task.js';
import type { Dataset, Layout, LayoutReader } from './layouts/layout.js';
import { rsna } from './layouts/rsna.js';
import { spider } from './layouts/spider.js';
import { table } from './layouts/table.js';

const LAYOUTS: readonly LayoutReader[] = [rsna, spider, table];

export interface DatasetOptions {
  /** Default: recognised by the files in the folder. */
  layout?: Layout | null;
  /** Ids, or tasks of a model. Default, and if empty: the default tasks of the layout. */
  tasks?: readonly (string | Task)[];
  /** Kinds of series from which the ROIs are cut. Default: the primary series of each task. */
  series?: readonly string[] | null;
}

/**
 * Reads the annotations of a data folder. Opens no image.
 *
 * @throws SpinegradError ERR_DATA_LAYOUT if the folder does not have the files of the layout, or of any layout; ERR_FILE_READ if
 *   it cannot be read; ERR_TASK for
 *   an unknown task or one that is named twice; ERR_TASK_SERIES for an unknown kind of series; ERR_CSV_HEADER, ERR_CSV
 *
 * @example
 * const { studies, tasks } = await readDataset('rsna', { tasks: ['rsna/spinal_canal_stenosis'] });
 */
export async function readDataset(dir: string, options: DatasetOptions = {}): Promise<Dataset> {
  const reader = await recognise(dir, options.layout ?? null);
  const tasks = await chooseTasks(dir, reader, options.tasks ?? []);
  const series = await chooseSeries(dir, reader, tasks, options.series ?? null);
  const names = series.map(({ name }) => name);
  return { layout: reader.name, dir, tasks, series, ...(await reader.read(dir, tasks, names)) };
}

async function recognise(dir: string, forced: Layout | null): Promise<LayoutReader> {
  const advice = 'or create a folder of studies with `spinegrad phantom --out DIR`';
  const found = (await exists(dir)) ? await stat(dir) : null;
  if (!found?.isDirectory()) {
    const reason = found === null ? 'there is no such folder' : 'it is a file, expected a folder';
    throw new SpinegradError('ERR_DATA_LAYOUT', `${dir}: ${reason}; pass another one, ${advice}`);
  }
  const reasons: string[] = [];
  for (const reader of LAYOUTS.filter(({ name }) => forced === null || name === forced)) {
    const missing: string[] = [];
    for (const file of reader.files) if (!(await exists(join(dir, file)))) missing.push(file);
    if (missing.length === 0) return reader;
    reasons.push(`${missing.join(', ')} (${reader.name} layout)`);
  }
  throw new SpinegradError(
    'ERR_DATA_LAYOUT',
    `${dir}: is not a data set: has no ${reasons.join('; no ')}; pass another folder, ${advice}; docs/data.md describes ` +
      'the layouts',
  );
}

async function chooseTasks(
  dir: string,
  reader: LayoutReader,
  chosen: readonly (string | Task)[],
): Promise<readonly Task[]> {
  if (chosen.length === 0) return reader.defaults(dir);
  const available = await reader.tasks(dir);
  const tasks = chosen.map((task) => (typeof task === 'string' ? findTask(task, available, 'tasks') : task));
  const repeated = tasks.find(({ id }, index) => tasks.findIndex((task) => task.id === id) < index);
  if (repeated === undefined) return tasks;
  throw new SpinegradError('ERR_TASK', `tasks: found ${repeated.id} twice; expected each task once`);
}

async function chooseSeries(
  dir: string,
  reader: LayoutReader,
  tasks: readonly Task[],
  names: readonly string[] | null,
): Promise<readonly TaskSeries[]> {
  const known = new Map(
    [...(await reader.tasks(dir)), ...tasks].flatMap(({ series }) => series).map((kind) => [kind.name, kind]),
  );
  const chosen = new Set(names ?? tasks.map(({ series }) => series[0]!.name));
  return [...chosen].map((name) => {
    const kind = known.get(name);
    if (kind !== undefined) return kind;
    throw new SpinegradError(
      'ERR_TASK_SERIES',
      `data.series: there is no series '${name}'; expected some of ${[...known.keys()].join(', ')}`,
    );
  });
}
