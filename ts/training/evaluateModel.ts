/** A finished run's networks on test patients again: those of its own bank, or all studies of another folder. */
import { join } from 'node:path';
import { prepareBank, readBank } from '../data/bank.js';
import { type DeviceKind, openDevice } from '../engine/device.js';
import type { Summary } from '../evaluation/types.js';
import { Discs } from './discs.js';
import { evaluateArms } from './evaluateArms.js';
import { loadModel, readModel } from './model.js';
import type { Progress } from './progress.js';
import { Slices } from './slices.js';

export interface EvaluateOptions {
  /** Folder of a finished run. */
  model: string;
  /** A folder in the RSNA 2024 layout, all of whose studies are test patients; default: the run's own test side. */
  data?: string | undefined;
  /** An empty folder for the bank of `data`. */
  scratch: string;
  device: DeviceKind;
  progress: Progress;
}

export type ModelEvaluation = Pick<Summary, 'localization' | 'arms' | 'comparisons'> & {
  synthetic: boolean;
  studies: number;
  skipped: Summary['data']['skipped'];
};

export async function evaluateModel(options: EvaluateOptions): Promise<ModelEvaluation> {
  const { model, data, scratch, progress } = options;
  const { config, roi, sliceSize, normalisation, arms } = await readModel(model);
  if (data !== undefined) {
    await prepareBank({
      data,
      out: scratch,
      roi: { ...roi, neighbours: 0 },
      sliceSize,
      split: { seed: 0, fractions: { train: 0, validation: 0, test: 1 } },
      onProgress: ({ done, total }) => progress.update('preparing ROIs', done, total),
    });
  }
  const bank = await readBank(data === undefined ? join(model, 'bank') : scratch);
  using device = await openDevice(options.device, config.threads > 0 ? { threads: config.threads } : {});
  const discs = new Discs(device, bank, config, normalisation.rois);
  const loaded = await Promise.all(
    arms.map(async ({ name, bestEpoch }) => ({ name, bestEpoch, ...(await loadModel(model, device, name)) })),
  );
  const slices = new Slices(device, bank, normalisation.slices);
  const run = { config, device, progress, signal: new AbortController().signal };
  const { results } = await evaluateArms(run, bank, discs, slices, loaded[0]!.localizer, loaded);
  const { synthetic, studies, skipped } = bank.manifest;
  return { synthetic, studies, skipped, ...results };
}
