/**
 * The folder of a run: runs/<name>. `config.json` states settings, data and machine of the run. A folder that contains a run
 * is resumed or refused, never overwritten.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { type Bank, readBank } from '../data/bank.js';
import { type LabelSpec, withLabels } from '../data/views.js';
import { SpinegradError } from '../error.js';
import { makeFolder, removeTemporaries, writeFileAtomic } from '../io/atomic.js';
import { commandLine } from '../io/commandLine.js';
import { readTextSync } from '../io/files.js';
import { parseJson } from '../io/json.js';
import {
  type Config,
  changeConfig,
  DEFAULT_PRESET,
  PHANTOM_CHANGES,
  type Preset,
  parseConfig,
  resolveConfig,
  type Settings,
} from './config.js';
import { type Lock, lockFolder } from './lock.js';

export interface RunIdentity {
  config: Config;
  /** Absolute path of the data folder; null: phantom studies in the run's folder. */
  data: string | null;
  /** The machine on which the run began; the bits depend on it. */
  machine?: Machine | undefined;
}

export interface Machine {
  device: string;
  /** Threads of the CPU device; null on other devices. */
  threads: number | null;
  /** Processor, instruction set and libraries. */
  description: string;
}

const machineSchema = z.object({
  device: z.string(),
  threads: z.number().int().positive().nullable(),
  description: z.string(),
});

/** Version 2 had one task. */
const VERSION = 3;

const storedSchema = z.object({
  data: z.string().nullable(),
  config: z.unknown(),
  machine: machineSchema.optional(),
});

const configPath = (dir: string): string => join(dir, 'config.json');

/** The first free folder of runs/<name>, runs/<name>-2 and so on; when resuming, the last one that contains a run. */
export function defaultFolder(name: string, resume: boolean): string {
  const folder = (index: number) => resolve('runs', index === 1 ? name : `${name}-${index}`);
  let index = 1;
  while (existsSync(configPath(folder(index)))) index++;
  return folder(resume ? Math.max(1, index - 1) : index);
}

/**
 * Reads config.json of a run; undefined if the folder has none.
 *
 * @throws SpinegradError ERR_RUN_CONFIG if it is damaged or of another version of spinegrad
 */
export function readIdentity(dir: string): RunIdentity | undefined {
  const path = configPath(dir);
  if (!existsSync(path)) return undefined;
  const fail = (found: string, cause?: unknown): never => {
    throw new SpinegradError('ERR_RUN_CONFIG', found, { cause });
  };
  const advice = 'start a new run in another --out folder';
  let stored: { version?: unknown } | null = null;
  try {
    stored = parseJson(readTextSync(path));
  } catch (cause) {
    if (cause instanceof SpinegradError) throw cause;
    fail(`${path}: cannot be read as JSON; ${advice}`, cause);
  }
  if (stored?.version !== VERSION) {
    fail(
      `${path}: found version ${JSON.stringify(stored?.version)}, expected ${VERSION}: another version of spinegrad wrote ` +
        `this run; resume it with that version, or ${advice}`,
    );
  }
  try {
    const { data, config, machine } = storedSchema.parse(stored);
    return { config: parseConfig(config, path), data, machine };
  } catch (cause) {
    const found =
      cause instanceof SpinegradError ? cause.message : `${path}: is not the configuration of a run`;
    return fail(`${found}; ${advice}`, cause);
  }
}

/** The options of a command line. */
export interface RunOptions {
  preset?: string | undefined;
  changes: readonly Settings[];
  /** Absolute. */
  data?: string | undefined;
}

export interface OpenedRun {
  identity: RunIdentity;
  resumed: boolean;
  lock: Lock;
  /** Removes what the run wrote if its training has not begun. Files that were in the folder before are kept. */
  discard(): Promise<void>;
}

/**
 * Opens the folder for a new run, or for a run to resume. With `resume` and no run in the folder, a new run begins, so a
 * job that is restarted needs only one command line. The folder is locked until the lock is disposed.
 *
 * @throws SpinegradError ERR_RUN_LOCKED, ERR_RUN_EXISTS, ERR_RESUME, ERR_RUN_CONFIG, ERR_CONFIG, ERR_WRITE, ERR_DISK_FULL
 */
export async function openRunFolder(dir: string, resume: boolean, options: RunOptions): Promise<OpenedRun> {
  const stored = readIdentity(dir);
  if (stored && resume) {
    checkSame(dir, stored, options);
    const lock = lockFolder(dir);
    for (const part of ['.', 'bank', 'checkpoints', 'weights', 'figures'])
      await removeTemporaries(join(dir, part));
    return { identity: stored, resumed: true, lock, discard: async () => {} };
  }
  // A run that failed before its training may be replaced.
  if (stored && hasBegun(dir)) {
    throw new SpinegradError(
      'ERR_RUN_EXISTS',
      `${dir}: contains a run; continue it with --resume, or choose another --out folder`,
    );
  }
  const preset = options.preset ?? DEFAULT_PRESET;
  const phantom = options.data === undefined ? PHANTOM_CHANGES[preset as Preset] : undefined;
  const config = resolveConfig(preset, phantom ?? {}, ...options.changes);
  const identity = { config, data: options.data ?? null };
  const before = existsSync(dir) ? await readdir(dir).catch(() => []) : null;
  await makeFolder(dir);
  const lock = lockFolder(dir);
  await writeIdentity(dir, identity);
  const discard = async () => {
    if (hasBegun(dir)) return;
    lock[Symbol.dispose]();
    const made = (await readdir(dir).catch(() => [])).filter((name) => !before?.includes(name));
    for (const name of made) await rm(join(dir, name), { recursive: true, force: true });
    if (before === null) await rmdir(dir).catch(() => {});
  };
  return { identity, resumed: false, lock, discard };
}

/** The log is opened when training begins. */
const hasBegun = (dir: string): boolean => existsSync(join(dir, 'metrics.jsonl'));

export const writeIdentity = (dir: string, identity: RunIdentity): Promise<void> =>
  writeFileAtomic(configPath(dir), `${JSON.stringify({ version: VERSION, ...identity }, null, 2)}\n`);

/** A resumed run keeps its settings; refuses options that differ from those it was started with. */
function checkSame(dir: string, stored: RunIdentity, { preset, changes, data }: RunOptions): void {
  const { config, machine } = stored;
  const requested = changeConfig({ ...config, preset: preset ?? config.preset }, ...changes);
  const difference = firstDifference(
    { ...stored },
    { config: requested, data: data ?? stored.data, machine },
  );
  if (difference === undefined) return;
  throw new SpinegradError(
    'ERR_RESUME',
    `${dir}: ${difference}; omit the option to resume, or choose another --out folder`,
  );
}

/**
 * Reads the bank of a run, with the grades that the run uses. Phantom studies are in the run's folder, even if it has been moved.
 *
 * @throws SpinegradError of `readBank`; ERR_TASK_MISMATCH if the bank was cut for other tasks
 */
export async function readRunBank(
  dir: string,
  { data, config }: Pick<RunIdentity, 'data' | 'config'>,
): Promise<Bank> {
  const bank = await readBank(join(dir, 'bank')).catch((cause: SpinegradError) => {
    const advice = `delete ${join(dir, 'bank')} and resume with \`${commandLine('train', '--resume', '--out', dir)}\``;
    throw new SpinegradError(cause.code, `${cause.message}: ${advice}`, { cause });
  });
  const cut = bank.manifest.tasks.map(({ id }) => id);
  if (config.tasks.length > 0 && !isDeepStrictEqual(cut, config.tasks)) {
    throw new SpinegradError(
      'ERR_TASK_MISMATCH',
      `${join(dir, 'bank')}: the bank was cut for ${cut.join(', ')}, the run grades ${config.tasks.join(', ')}; ` +
        `delete ${join(dir, 'bank')} and resume the run`,
    );
  }
  const dataDir = data ?? join(resolve(dir), 'phantom');
  return withLabels({ ...bank, manifest: { ...bank.manifest, dataDir } }, labelsOf(config));
}

/** The patients that keep their grades. */
export const labelsOf = ({ data }: Pick<Config, 'data'>): LabelSpec => ({
  fraction: data.labels,
  splitSeed: data.splitSeed,
  labelSeed: data.labelSeed,
});

/** Describes the first key in which two settings differ. */
export function firstDifference(stored: unknown, requested: unknown, path = ''): string | undefined {
  if (isDeepStrictEqual(stored, requested)) return undefined;
  const nested = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null;
  if (!nested(stored) || !nested(requested)) {
    return `${path} is ${JSON.stringify(requested)}, it was started with ${JSON.stringify(stored)}`;
  }
  for (const key of new Set([...Object.keys(stored), ...Object.keys(requested)])) {
    const difference = firstDifference(stored[key], requested[key], path ? `${path}.${key}` : key);
    if (difference) return difference;
  }
  return undefined;
}

/** Hash of a configuration, for checkpoints. */
export const hashOf = (config: Config): string =>
  createHash('sha256').update(JSON.stringify(config)).digest('hex');
