/**
 * Completes a table of discs (docs/data.md): rows that have grades but no coordinates get those of the disc that a trained
 * localizer finds on their image. Only discs without a doubt are taken, because the grade of a wrong level is a wrong grade.
 */
import { existsSync } from 'node:fs';
import { realpath, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readInput } from '../data/input.js';
import { levelOf, spacingOf } from '../data/layouts/fields.js';
import { TASKS } from '../data/layouts/table.js';
import { BOX, imagePath, POINT, TABLE } from '../data/layouts/tableReader.js';
import { canalSlice } from '../data/series.js';
import type { Device } from '../engine/device.js';
import { type Skipped, SpinegradError } from '../error.js';
import { groupBy } from '../evaluation/groupBy.js';
import { makeFolder, writeError, writeFileAtomic } from '../io/atomic.js';
import { type CsvRow, readCsv } from '../io/csv.js';
import { pathWithin, readBytes } from '../io/files.js';
import { formatCsv } from '../io/writeCsv.js';
import { loadModel, type Model } from '../model/bundle.js';
import { DOUBTS } from '../model/doubts.js';
import { isDoubtful, type LocatedDisc } from '../model/located.js';
import { seriesNamed } from '../tasks/index.js';
import { snakeCase } from '../tasks/task.js';
import { checkSize, doubtsOf, refuse } from './checks.js';
import { rounded } from './gradeCuts.js';
import { orientInStack } from './stackVote.js';
import { searchedSeries } from './targets.js';

export interface LocateOptions {
  /** Folder with a table of discs. */
  data: string;
  /** Folder of a finished run. */
  model: string;
  /** Folder for the complete table. */
  out: string;
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

export interface LocatedTable {
  /** Rows without coordinates in the input. */
  open: number;
  /** Rows that got coordinates. */
  found: number;
  /** Images and discs that remain without coordinates, with the reason. */
  skipped: Skipped[];
}

interface Search {
  /** Why the image is left out; null if it is not. */
  reason: Pick<Skipped, 'code' | 'message'> | null;
  discs: readonly LocatedDisc[];
  /** Number of the searched slice. */
  slice: number;
}

/** Link to the folder of the table. */
const IMAGES = 'images';

/** Columns that are added to a table that lacks them. */
const ADDED = ['slice', ...POINT, 'found'];

/**
 * Writes `discs.csv` of a table with the coordinates that its rows lack; `found` marks them. All other rows are kept,
 * `tasks.json` is copied, and `images` is a link to the folder of the table.
 *
 * @throws SpinegradError those of `readCsv` and `loadModel`; ERR_CONFIG if `out` is the folder of the table; ERR_WRITE
 *
 * @example
 * const { open, found } = await locateTable(device, { data: 'clinic', model: 'runs/annotated', out: 'clinic-complete' });
 * console.log(`${found} of ${open} discs found`);
 */
export async function locateTable(device: Device, options: LocateOptions): Promise<LocatedTable> {
  const { data, out, signal, onProgress } = options;
  if (resolve(out) === resolve(data))
    throw new SpinegradError('ERR_CONFIG', `--out: found the data folder ${data}, expected another folder`);
  const format = { nameOf: snakeCase, isMarked: true };
  const rows = await readCsv(join(data, TABLE), ['study', 'image', 'level'], format);
  await makeFolder(out);
  await linkImages(data, out);
  const model = await loadModel(options.model, device);
  const skipped: Skipped[] = [];
  let found = 0;
  try {
    const images = groupBy(rows.filter(isOpen), ({ fields }) => fields.image!);
    let done = 0;
    onProgress?.(done, images.size);
    for (const [image, open] of images) {
      signal?.throwIfAborted();
      const { reason, discs, slice } = await search(device, model, { data, image, row: open[0]! });
      if (reason !== null) skipped.push({ path: image, ...reason });
      const unsure: string[] = [];
      for (const { fields } of open) {
        const disc = discs.find(({ level }) => level === levelOf(fields.level!));
        if (disc === undefined || isDoubtful(disc)) {
          unsure.push(fields.level!);
          continue;
        }
        const [x, y] = disc.point.map(rounded);
        Object.assign(fields, { x: `${x}`, y: `${y}`, slice: `${slice}`, found: 'true' });
        found++;
      }
      if (reason === null && unsure.length > 0)
        skipped.push({
          path: image,
          code: 'ERR_DISC_DOUBTFUL',
          message: `${image}: ${unsure.join(', ')} not found, or with a doubtful place or level; mark them by hand`,
        });
      onProgress?.(++done, images.size);
    }
    const open = [...images.values()].flat().length;
    const tasks = join(data, TASKS);
    if (existsSync(tasks)) await writeFileAtomic(join(out, TASKS), await readBytes(tasks));
    await writeFileAtomic(join(out, TABLE), tableText(rows, data));
    return { open, found, skipped };
  } finally {
    model.dispose();
  }
}

const isOpen = ({ fields }: CsvRow): boolean =>
  [...POINT, ...BOX].every((column) => (fields[column] ?? '') === '');

/** Searches the slice of an image that shows the canal. */
async function search(
  device: Device,
  model: Model,
  { data, image, row: { fields } }: { data: string; image: string; row: CsvRow },
): Promise<Search> {
  const { trainedOn, localizer } = model.description;
  const kind = seriesNamed(fields.series ?? '', trainedOn.tasks) ?? searchedSeries(model.description);
  try {
    const spacing = spacingOf(fields.spacing ?? '') ?? null;
    const input = await readInput(join(data, imagePath(data, image, image)), spacing, kind.weighting);
    const slices = input.slices.map((slice) => ({ ...slice, pixelSpacing: spacing ?? slice.pixelSpacing }));
    const slice = canalSlice(slices);
    checkSize(image, slice);
    const oriented = await orientInStack(device, model, slice, slices);
    const { located } = oriented;
    if (!located.lumbar) refuse(image, located);
    const doubts = doubtsOf(oriented, kind.weighting, localizer.network.sliceSize, trainedOn.layout)
      .map((code) => DOUBTS[code])
      .filter((doubt) => doubt.of === 'slice');
    if (doubts.length > 0)
      throw new SpinegradError(
        'ERR_DISC_DOUBTFUL',
        `${image}: ${doubts.map(({ message }) => message).join('; ')}`,
      );
    return { reason: null, discs: located.discs, slice: slice.instanceNumber ?? 1 };
  } catch (error) {
    if (!(error instanceof SpinegradError)) throw error;
    const { code, message } = error;
    return { reason: { code, message }, discs: [], slice: 1 };
  }
}

/** Makes the link by which the table of `out` names the images of `data`. */
async function linkImages(data: string, out: string): Promise<void> {
  const link = join(out, IMAGES);
  try {
    const target = await realpath(data);
    if ((await realpath(link).catch(() => null)) !== target) await symlink(target, link);
  } catch (cause) {
    throw writeError(link, cause);
  }
}

/** The table with images that are found by the link. An image outside of the folder is kept; `readDataset` refuses it. */
function tableText(rows: readonly CsvRow[], data: string): string {
  const given = Object.keys(rows[0]?.fields ?? {});
  const columns = [...given, ...ADDED.filter((column) => !given.includes(column))];
  const values = rows.map(({ fields }) => {
    const path = pathWithin(data, fields.image!);
    const image = path === null ? fields.image! : join(IMAGES, path);
    return columns.map((column) => (column === 'image' ? image : (fields[column] ?? '')));
  });
  return formatCsv(columns, values);
}
