/** The folder of a unit while it is worked on: its settings and checkpoints. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Bank } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { makeFolder, removeTemporaries } from '../io/atomic.js';
import { openRun } from '../training/openRun.js';
import type { Progress } from '../training/progress.js';
import { writeIdentity } from '../training/runFolder.js';
import type { Run } from '../training/stage.js';
import { readUnitFile } from './results.js';
import type { Unit } from './units.js';

const configSchema = z.looseObject({ config: z.unknown() });

/** What all units of a worker share. */
export interface WorkContext {
  /** The data folder. */
  data: string;
  device: Device;
  progress: Progress;
  signal: AbortSignal;
}

/** Opens the folder of a unit. A stopped attempt is resumed, unless another version of spinegrad began it with other settings. */
export async function openUnit(
  { id, dir, config }: Unit,
  bank: Bank,
  { data, device, progress, signal }: WorkContext,
): Promise<Run> {
  await makeFolder(dir);
  for (const part of ['.', 'checkpoints']) await removeTemporaries(join(dir, part));
  if (!isDeepStrictEqual(storedConfig(dir), config)) {
    await removeCheckpoints({ dir });
    await writeIdentity(dir, { config, data });
  }
  const own: Progress = {
    ...progress,
    update: (task, done, total, note) => progress.update(`${id}: ${task}`, done, total, note),
  };
  return await openRun({ dir, config, device, progress: own, signal }, bank.manifest.fingerprint, true);
}

/** The settings in config.json as they were written; undefined without them. */
const storedConfig = (dir: string): unknown => readUnitFile(join(dir, 'config.json'), configSchema)?.config;

/** Deletes what a complete unit does not need. The weights of cells are not kept: they would fill the disk. */
export const removeCheckpoints = ({ dir }: Pick<Unit, 'dir'>): Promise<void> =>
  rm(join(dir, 'checkpoints'), { recursive: true, force: true });
