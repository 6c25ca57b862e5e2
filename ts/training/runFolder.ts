/**
 * The folder of a run: runs/<name>. `config.json` says what the run is; a folder that holds one is resumed or left
 * alone, never written over.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { type Bank, readBank } from '../data/bank.js';
import { SpinegradError } from '../error.js';
import { makeFolder, removeTemporaries, writeFileAtomic } from '../io/atomic.js';
import {
  type Config,
  changeConfig,
  DEFAULT_PRESET,
  parseConfig,
  resolveConfig,
  type Settings,
} from './config.js';
import { type Lock, lockFolder } from './lock.js';

export interface RunIdentity {
  config: Config;
  /** The data folder, absolute; null: phantom studies in the run's own folder. */
  data: string | null;
  /** Where the run began: besides settings and data its bits depend on this. */
  machine?: Machine | undefined;
}

/** A device as it says of itself: kind, processor, instruction set, libraries; `threads` on the CPU. */
export interface Machine {
  device: string;
  threads: number | null;
  description: string;
}

const machineSchema = z.object({
  device: z.string(),
  threads: z.number().int().positive().nullable(),
  description: z.string(),
});

const storedSchema = z.object({
  version: z.literal(1),
  data: z.string().nullable(),
  config: z.unknown(),
  machine: machineSchema.optional(),
});

const configPath = (dir: string): string => join(dir, 'config.json');

/** runs/<name>, runs/<name>-2 and so on: the first free one, or the last that is taken when resuming. */
export function defaultFolder(name: string, resume: boolean): string {
  const folder = (index: number) => resolve('runs', index === 1 ? name : `${name}-${index}`);
  let index = 1;
  while (existsSync(configPath(folder(index)))) index++;
  return folder(resume ? Math.max(1, index - 1) : index);
}

/**
 * Reads what a run is.
 *
 * @throws SpinegradError ERR_RUN_CONFIG
 */
export function readIdentity(dir: string): RunIdentity | undefined {
  const path = configPath(dir);
  if (!existsSync(path)) return undefined;
  try {
    const { data, config, machine } = storedSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    return { config: parseConfig(config, path), data, machine };
  } catch (cause) {
    const reason =
      cause instanceof SpinegradError
        ? cause.message
        : `${path}: is not the configuration of a run of this version`;
    throw new SpinegradError('ERR_RUN_CONFIG', `${reason}; choose another --out folder to start anew`, {
      cause,
    });
  }
}

/** What a command line says about a run. */
export interface Asked {
  preset?: string | undefined;
  changes: readonly Settings[];
  /** Absolute. */
  data?: string | undefined;
}

/**
 * Opens the folder for a new run, or for one that goes on. With `resume` and nothing there a new run is begun, so
 * that a job that is started again and again needs one command line only. The folder is the caller's until the lock is
 * disposed.
 *
 * @throws SpinegradError ERR_RUN_LOCKED, ERR_RUN_EXISTS, ERR_RESUME, ERR_RUN_CONFIG, ERR_CONFIG, ERR_WRITE, ERR_DISK_FULL
 */
export async function openRunFolder(
  dir: string,
  resume: boolean,
  asked: Asked,
): Promise<{ identity: RunIdentity; resumed: boolean; lock: Lock }> {
  const stored = readIdentity(dir);
  if (stored && resume) {
    checkSame(dir, stored, asked);
    const lock = lockFolder(dir);
    for (const part of ['.', 'bank', 'checkpoints', 'weights', 'figures'])
      await removeTemporaries(join(dir, part));
    return { identity: stored, resumed: true, lock };
  }
  // A run that failed before it trained (its log is opened then) has learned nothing and may be started anew.
  if (stored && existsSync(join(dir, 'metrics.jsonl'))) {
    throw new SpinegradError(
      'ERR_RUN_EXISTS',
      `${dir}: holds a run already; go on with --resume, or choose another --out folder`,
    );
  }
  const config = resolveConfig(asked.preset ?? DEFAULT_PRESET, ...asked.changes);
  const identity = { config, data: asked.data ?? null };
  await makeFolder(dir);
  const lock = lockFolder(dir);
  await writeIdentity(dir, identity);
  return { identity, resumed: false, lock };
}

export const writeIdentity = (dir: string, identity: RunIdentity): Promise<void> =>
  writeFileAtomic(configPath(dir), `${JSON.stringify({ version: 1, ...identity }, null, 2)}\n`);

/** A run that goes on keeps its settings: what the command line says must be what it was started with. */
function checkSame(dir: string, stored: RunIdentity, { preset, changes, data }: Asked): void {
  const { config } = stored;
  const asked = { ...changeConfig({ ...config, preset: preset ?? config.preset }, ...changes) };
  const { machine } = stored;
  const difference = firstDifference({ ...stored }, { config: asked, data: data ?? stored.data, machine });
  if (difference === undefined) return;
  throw new SpinegradError(
    'ERR_RESUME',
    `${dir}: ${difference}; leave the option out to resume, or choose another --out folder`,
  );
}

/**
 * The bank of a run. Phantom studies lie in the run's own folder, wherever that has been moved.
 *
 * @throws SpinegradError of `readBank`; ERR_TASK_MISMATCH if the bank was cut for another task
 */
export async function readRunBank(
  dir: string,
  { data, config }: Pick<RunIdentity, 'data' | 'config'>,
): Promise<Bank> {
  const bank = await readBank(join(dir, 'bank')).catch((cause: SpinegradError) => {
    const advice = `delete ${join(dir, 'bank')} and go on with \`node train.js --resume --out ${dir}\``;
    throw new SpinegradError(cause.code, `${cause.message}: ${advice}`, { cause });
  });
  if (bank.manifest.task !== config.task) {
    throw new SpinegradError(
      'ERR_TASK_MISMATCH',
      `${join(dir, 'bank')}: the bank was cut for task ${bank.manifest.task}, the run grades task ${config.task}; ` +
        `delete ${join(dir, 'bank')} and resume the run`,
    );
  }
  const dataDir = data ?? join(resolve(dir), 'phantom');
  return { ...bank, manifest: { ...bank.manifest, dataDir } };
}

/** The first key in which two settings differ, for a message. */
function firstDifference(stored: unknown, wanted: unknown, path = ''): string | undefined {
  if (isDeepStrictEqual(stored, wanted)) return undefined;
  const nested = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null;
  if (!nested(stored) || !nested(wanted)) {
    return `${path} is ${JSON.stringify(wanted)}, the run was started with ${JSON.stringify(stored)}`;
  }
  for (const key of new Set([...Object.keys(stored), ...Object.keys(wanted)])) {
    const difference = firstDifference(stored[key], wanted[key], path ? `${path}.${key}` : key);
    if (difference) return difference;
  }
  return undefined;
}

/** What checkpoints carry of the configuration. */
export const hashOf = (config: Config): string =>
  createHash('sha256').update(JSON.stringify(config)).digest('hex');
