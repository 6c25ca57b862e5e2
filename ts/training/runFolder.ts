/**
 * The folder of a run: runs/<name>. `config.json` says what the run is; a folder that holds one is resumed or left
 * alone, never written over.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { makeFolder, writeFileAtomic } from '../data/atomic.js';
import { SpinegradError } from '../error.js';
import { type Config, parseConfig } from './config.js';

export interface RunIdentity {
  config: Config;
  /** The data folder, absolute; null: phantom studies in the run's own folder. */
  data: string | null;
}

const storedSchema = z.object({ version: z.literal(1), data: z.string().nullable(), config: z.unknown() });

const configPath = (dir: string): string => join(dir, 'config.json');

/** runs/<name>, runs/<name>-2 and so on: the first free one, or the last that is taken when resuming. */
export function defaultFolder(name: string, resume: boolean): string {
  const folder = (index: number) => resolve('runs', index === 1 ? name : `${name}-${index}`);
  let index = 1;
  while (existsSync(configPath(folder(index)))) index++;
  return folder(resume ? Math.max(1, index - 1) : index);
}

/** Reads what a run is. */
export function readIdentity(dir: string): RunIdentity | undefined {
  const path = configPath(dir);
  if (!existsSync(path)) return undefined;
  let stored: unknown;
  try {
    stored = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new SpinegradError('ERR_CONFIG', `${path}: is not JSON; start anew in another --out folder`, {
      cause,
    });
  }
  const result = storedSchema.safeParse(stored);
  if (!result.success) {
    throw new SpinegradError('ERR_CONFIG', `${path}: is not the configuration of a run of this version`);
  }
  return { config: parseConfig(result.data.config, path), data: result.data.data };
}

/**
 * Opens the folder for a new run, or for one that goes on.
 *
 * @param wanted what the command line asks for; undefined when it only says to resume
 * @throws SpinegradError ERR_RUN_EXISTS, ERR_RUN_MISSING, ERR_RESUME, ERR_WRITE
 */
export async function openRunFolder(
  dir: string,
  resume: boolean,
  wanted: RunIdentity | undefined,
  fallback: () => RunIdentity,
): Promise<RunIdentity> {
  const stored = readIdentity(dir);
  // A run that failed before its bank was cut has learned nothing yet and may be started anew.
  const begun = existsSync(join(dir, 'bank', 'manifest.json'));
  if (stored && !resume && begun) {
    throw new SpinegradError(
      'ERR_RUN_EXISTS',
      `${dir}: holds a run already; go on with --resume, or choose another --out folder`,
    );
  }
  if (stored && resume) {
    const difference = wanted && firstDifference({ ...stored }, { ...wanted });
    if (difference) {
      throw new SpinegradError(
        'ERR_RESUME',
        `${dir}: ${difference}; leave the option out to resume, or choose another --out folder`,
      );
    }
    return stored;
  }
  const identity = wanted ?? fallback();
  await makeFolder(dir);
  const { config, data } = identity;
  await writeFileAtomic(configPath(dir), `${JSON.stringify({ version: 1, data, config }, null, 2)}\n`);
  return identity;
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
