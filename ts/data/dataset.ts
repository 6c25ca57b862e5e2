/** Reads a data folder of any layout. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SpinegradError } from '../error.js';
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
 * @throws SpinegradError ERR_DATA_LAYOUT if the folder does not have the files of the layout, or of any layout; ERR_TASK for
 *   an unknown task or one that is named twice; ERR_TASK_SERIES for an unknown kind of series; ERR_CSV_HEADER, ERR_CSV, ERR_FILE_READ
 *
 * @example
 * const { studies, tasks } = await readDataset('rsna', { tasks: ['rsna/spinal_canal_stenosis'] });
 */
export async function readDataset(dir: string, options: DatasetOptions = {}): Promise<Dataset> {
  const reader = recognise(dir, options.layout ?? null);
  const tasks = await chooseTasks(dir, reader, options.tasks ?? []);
  const series = await chooseSeries(dir, reader, tasks, options.series ?? null);
  const names = series.map(({ name }) => name);
  return { layout: reader.name, dir, tasks, series, ...(await reader.read(dir, tasks, names)) };
}

function recognise(dir: string, forced: Layout | null): LayoutReader {
  const advice = 'or create a folder of studies with `spinegrad phantom --out DIR`';
  if (!existsSync(dir)) {
    throw new SpinegradError(
      'ERR_DATA_LAYOUT',
      `${dir}: there is no such folder; pass another one, ${advice}`,
    );
  }
  const candidates = LAYOUTS.filter(({ name }) => forced === null || name === forced);
  const missing = ({ files }: LayoutReader) => files.filter((file) => !existsSync(join(dir, file)));
  const found = candidates.find((reader) => missing(reader).length === 0);
  if (found !== undefined) return found;
  const reasons = candidates.map((reader) => `${missing(reader).join(', ')} (${reader.name} layout)`);
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
