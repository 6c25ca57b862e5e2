/** Complete runs that take a few seconds: networks of four channels on small crops of tiny studies. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { DEFAULT_SPLIT, splitOf } from '#spinegrad/data/split.js';
import type { Split } from '#spinegrad/data/types.js';
import type { Summary } from '#spinegrad/evaluation/types.js';
import { readSafetensors, type StoredTensor } from '#spinegrad/io/safetensors.js';
import type { Task } from '#spinegrad/tasks/task.js';
import { parseSetting } from '#spinegrad/training/config.js';
import { silent } from '#spinegrad/training/progress.js';
import { openRunFolder } from '#spinegrad/training/runFolder.js';
import { train } from '#spinegrad/training/train.js';
import { CLI, type Ended, root, run, spinegrad } from '../cli/command.js';
import { type TinyStudy, tinyLayout } from '../data/layout.js';

const SETTINGS = {
  'data.roiSize': 16,
  'data.roiExtentMm': 96,
  'data.sliceSize': 32,
  'encoder.width': 4,
  'localization.unet.width': 4,
  'localization.batch': 2,
  'pretraining.discs': 4,
  'finetuning.batch': 8,
  'evaluation.resamples': 20,
};

export type Settings = Record<string, unknown>;

/** Changes of the preset `smoke` that make networks and crops tiny, as arguments of `--set`. */
export const changes = (settings: Settings): string[] =>
  Object.entries({ ...SETTINGS, ...settings }).map(([key, value]) => `${key}=${JSON.stringify(value)}`);

/** Arguments of `spinegrad` for a run; on phantom studies if `data` is null. */
export const trainArgs = (
  dir: string,
  data: string | null,
  settings: Settings = {},
  device = 'cpu',
): string[] => [
  ...['train', '--device', device, '--preset', 'smoke', '--out', dir],
  ...(data === null ? [] : ['--data', data]),
  ...changes(settings).flatMap((change) => ['--set', change]),
];

export const trainRun = (dir: string, data: string | null, settings?: Settings): Promise<Ended> =>
  spinegrad(...trainArgs(dir, data, settings));

/** Trains in this process, optionally with the bank of another run on the same data; faster than `trainRun`. */
export async function trainHere(
  dir: string,
  data: string,
  settings: Settings = {},
  bankOf?: string,
): Promise<Summary> {
  const options = { preset: 'smoke', changes: changes(settings).map(parseSetting), data };
  const { identity, lock } = await openRunFolder(dir, false, options);
  using _ = lock;
  if (bankOf !== undefined) await cp(join(bankOf, 'bank'), join(dir, 'bank'), { recursive: true });
  const { signal } = new AbortController();
  return train({ dir, identity, resume: bankOf !== undefined, device: 'cpu', progress: silent, signal });
}

/** A signal that a run gets when it opens a file: [regular expression of the path, number of the opening (from 1), signal]. */
export type Stop = [path: string, nth: number, signal: NodeJS.Signals];

export const stoppedRun = (args: readonly string[], ...stops: Stop[]): Promise<Ended> =>
  run(process.execPath, ['--import', join(root, 'test/training/stop.js'), CLI, ...args], {
    SPINEGRAD_TEST_STOP: JSON.stringify(stops),
  });

const folders: string[] = [];

/** A folder that is deleted after the tests of the file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'spinegrad-run-'));
  folders.push(folder);
  return folder;
}

afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

export const sideOf = (studyId: string, seed = 1): Split => splitOf(studyId, { ...DEFAULT_SPLIT, seed });

/** The study ids of a data folder. */
export const idsOf = (data: string): string[] =>
  readFileSync(join(data, 'train.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((row) => row.split(',')[0]!);

/** Ids of studies that the default seed 1 assigns to training, validation and test. */
function idsBySide(train: number, validation: number, test: number): string[] {
  const missing = { train, validation, test };
  const ids: string[] = [];
  for (let id = 1; Object.values(missing).some((count) => count > 0); id++) {
    const side = sideOf(`${id}`);
    if (missing[side]-- > 0) ids.push(`${id}`);
  }
  return ids;
}

/** A data folder of tiny studies on each side of the split; `change` changes a study. */
export async function tinyStudies(
  change: (study: TinyStudy, side: Split) => TinyStudy = (study) => study,
  task?: Task,
): Promise<string> {
  const studies = idsBySide(6, 2, 2).map((studyId) => change({ studyId }, sideOf(studyId)));
  const folder = await tinyLayout(studies, task);
  folders.push(folder);
  return folder;
}

/** A table of the slices of a few SPIDER patients: names such as `4_t2`. */
export async function spiderTable(data: string, names: readonly string[]): Promise<string> {
  const spider = join(data, 'spider');
  const [slices, table] = [await temporaryFolder(), await temporaryFolder()];
  for (const name of ['images', 'overview.csv', 'radiological_gradings.csv'])
    await symlink(join(spider, name), join(slices, name));
  const [header, ...lines] = (await readFile(join(spider, 'discs.csv'), 'utf8')).trimEnd().split('\n');
  const chosen = lines.filter((line) => names.includes(line.split(',')[0]!));
  await writeFile(join(slices, 'discs.csv'), `${[header, ...chosen].join('\n')}\n`);
  const written = await run(process.execPath, [join(root, 'scripts/spider-table.js'), slices, table]);
  if (written.status !== 0 || written.stderr !== '') throw new Error(written.stderr);
  return table;
}

export const readSummary = (dir: string): Summary =>
  JSON.parse(readFileSync(join(dir, 'summary.json'), 'utf8')) as Summary;

/** The part of a run's summary that `evaluate` computes again. */
export function evaluated({ localization, rsna, tasks }: Summary) {
  return { localization, rsna, tasks: tasks.map(({ classCounts: _, ...results }) => results) };
}

export const readLog = (dir: string): Record<string, unknown>[] =>
  readFileSync(join(dir, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** SHA-256 of the tensors of a file. */
export async function bitsOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for (const [key, { data, shape }] of await readSafetensors(path)) {
    hash.update(`${key} ${shape}`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

/** All that two equal runs have in common: tensors of all files, numbers, log, model, tables and figures. */
export async function outcome(dir: string) {
  const left = readdirSync(dir, { recursive: true }).filter((name) => `${name}`.endsWith('.tmp'));
  if (left.length > 0) throw new Error(`${dir}: ${left} was left behind`);
  const tensors: Record<string, string> = {};
  for (const folder of ['weights', 'checkpoints', 'bank']) {
    for (const name of readdirSync(join(dir, folder)).sort()) {
      if (!name.endsWith('.safetensors')) continue;
      tensors[`${folder}/${name}`] = await bitsOf(join(dir, folder, name));
    }
  }
  const { timing: _, program: __, ...summary } = readSummary(dir);
  const { program: ___, sha256: ____, ...model } = JSON.parse(readFileSync(join(dir, 'model.json'), 'utf8'));
  const tables = ['predictions.csv', 'localization.csv'].map((name) => readFileSync(join(dir, name), 'utf8'));
  const figures = readdirSync(join(dir, 'figures')).map((name) =>
    readFileSync(join(dir, 'figures', name), 'utf8'),
  );
  return { tensors, summary, log: readLog(dir), model, tables, figures };
}

export const has = (dir: string, ...path: string[]): boolean => existsSync(join(dir, ...path));

export const tensorsOf = (dir: string, ...path: string[]): Promise<Map<string, StoredTensor>> =>
  readSafetensors(join(dir, ...path));
