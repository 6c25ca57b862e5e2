/** A finished run's networks on test patients again: those of its own bank, or all studies of another folder. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bank, prepareBank, readBank } from '../data/bank.js';
import type { RoiSpec } from '../data/types.js';
import { type DeviceKind, openDevice } from '../engine/device.js';
import { SpinegradError } from '../error.js';
import type { Summary } from '../evaluation/types.js';
import { writeError } from '../io/atomic.js';
import { loadModel, readModel } from '../model/bundle.js';
import { taskOf } from '../tasks/index.js';
import type { Task } from '../tasks/task.js';
import { Discs } from './discs.js';
import { evaluateArms } from './evaluateArms.js';
import type { Progress } from './progress.js';
import { readIdentity, readRunBank } from './runFolder.js';
import { Slices } from './slices.js';

export interface EvaluateOptions {
  /** Folder of a finished run. */
  model: string;
  /** A folder in the RSNA 2024 layout, all of whose studies are test patients; default: the run's own test side. */
  data?: string | undefined;
  device: DeviceKind;
  progress: Progress;
  signal: AbortSignal;
}

export type ModelEvaluation = Pick<Summary, 'localization' | 'arms' | 'comparisons'> & {
  synthetic: boolean;
  studies: number;
  skipped: Summary['data']['skipped'];
};

export async function evaluateModel(options: EvaluateOptions): Promise<ModelEvaluation> {
  const { model, progress, signal } = options;
  const { config, normalisation, arms, roi, sliceSize } = await readModel(model);
  const bank = await (options.data === undefined
    ? ownBank(model)
    : otherBank(options.data, taskOf(config.task), roi, sliceSize, options));
  using device = await openDevice(options.device, config.threads > 0 ? { threads: config.threads } : {});
  const discs = new Discs(device, bank, config, normalisation.rois);
  const loaded = await Promise.all(
    arms.map(async ({ name, bestEpoch }) => ({ name, bestEpoch, ...(await loadModel(model, device, name)) })),
  );
  const slices = new Slices(device, bank, normalisation.slices);
  const run = { config, device, progress, signal };
  const { results } = await evaluateArms(run, bank, discs, slices, loaded[0]!.localizer, loaded);
  const { synthetic, studies, skipped } = bank.manifest;
  return { synthetic, studies, skipped, ...results };
}

function ownBank(model: string): Promise<Bank> {
  const identity = readIdentity(model);
  if (identity && existsSync(join(model, 'bank'))) return readRunBank(model, identity);
  throw new SpinegradError(
    'ERR_BANK_MISSING',
    `${model}: found no bank of the run's studies; name a folder of studies by --data`,
  );
}

/** All studies of a folder, as test patients. */
async function otherBank(
  data: string,
  task: Task,
  roi: Omit<RoiSpec, 'neighbours'>,
  sliceSize: number,
  { progress, signal }: EvaluateOptions,
): Promise<Bank> {
  const out = await mkdtemp(join(tmpdir(), 'spinegrad-')).catch((cause) => {
    throw writeError(tmpdir(), cause);
  });
  try {
    await prepareBank({
      data,
      out,
      task,
      roi: { ...roi, neighbours: 0 },
      sliceSize,
      split: { seed: 0, fractions: { train: 0, validation: 0, test: 1 } },
      onProgress: ({ done, total }) => progress.update('preparing ROIs', done, total),
      signal,
    });
    return await readBank(out);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}
