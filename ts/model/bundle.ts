/**
 * What a run leaves for others: `model.json` says what the networks are, what they were trained on and how their
 * input is made; beside it lie their weights. It is all that `spinegrad predict` reads of a run.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { BankManifest } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { SpinegradError } from '../error.js';
import { makeFolder, writeFileAtomic } from '../io/atomic.js';
import { readError } from '../io/files.js';
import { readSafetensors, writeSafetensors } from '../io/safetensors.js';
import type { Module } from '../nn/module.js';
import { ResNet } from '../nn/resnet.js';
import { RandomStream } from '../random.js';
import { valuesOf } from '../training/checkpoint.js';
import { type Config, configSchema } from '../training/config.js';
import type { Normalisation } from '../training/discs.js';
import { newLocalizer } from '../training/localize.js';
import { Grader } from './grader.js';
import type { Localizer } from './localizer.js';

const ARM_NAMES = ['scratch', 'frozen', 'contrastive'] as const;
export type ArmName = (typeof ARM_NAMES)[number];

const normalisationSchema = z.object({ mean: z.number(), std: z.number().positive() });

const modelSchema = z.object({
  version: z.literal(1),
  config: configSchema,
  roi: z.object({ size: z.number().int(), mode: z.enum(['pixels', 'mm']), extentMm: z.number() }),
  sliceSize: z.number().int(),
  /** Of intensities from 0 to 1. */
  normalisation: z.object({ rois: normalisationSchema, slices: normalisationSchema }),
  localizer: z.object({
    weights: z.string(),
    /** On the validation patients. */
    rmseMm: z.number().nullable(),
    /** What the spread of views seldom exceeds on validation slices (their 95th percentile), as a share of the side. */
    usualSpread: z.number().positive(),
  }),
  arms: z
    .array(
      z.object({
        name: z.enum(ARM_NAMES),
        weights: z.string(),
        bestEpoch: z.number().int(),
        validationBalancedAccuracy: z.number().nullable(),
      }),
    )
    .min(1),
  /** The arm with the best balanced accuracy on the validation patients. */
  recommended: z.enum(ARM_NAMES),
  trainedOn: z.object({
    source: z.enum(['phantom', 'rsna']),
    synthetic: z.boolean(),
    condition: z.string(),
    studies: z.number().int(),
    discs: z.number().int(),
    /** Of the ROI bank. */
    fingerprint: z.string(),
  }),
  notice: z.string(),
});

export type ModelDescription = z.output<typeof modelSchema>;

export interface TrainedArm {
  name: ArmName;
  grader: Grader;
  bestEpoch: number;
  validationBalancedAccuracy: number | null;
}

export interface TrainedRun {
  config: Config;
  manifest: BankManifest;
  normalisation: { rois: Normalisation; slices: Normalisation };
  localizer: { network: Localizer; rmseMm: number | null; usualSpread: number };
  /** At least one. */
  arms: readonly TrainedArm[];
}

const FILE = 'model.json';
const RESEARCH = 'For research only: not a medical device, not for diagnosis.';
const NOTICES = {
  phantom: `Trained on synthetic images alone: its grades say nothing about patients. ${RESEARCH}`,
  rsna: `Trained on data under the terms of the RSNA 2024 lumbar spine challenge, which bind the weights too. ${RESEARCH}`,
};

/**
 * Writes model.json and weights/ into the folder of a run.
 *
 * @throws SpinegradError ERR_WRITE, ERR_DISK_FULL
 */
export async function writeModel(dir: string, run: TrainedRun): Promise<ModelDescription> {
  const { config, manifest, localizer } = run;
  await makeFolder(join(dir, 'weights'));
  const save = async (name: string, module: Module) => {
    const weights = `weights/${name}.safetensors`;
    await writeSafetensors(join(dir, weights), await valuesOf(module.state()));
    return weights;
  };
  const { network, ...aboutLocalizer } = localizer;
  const arms: ModelDescription['arms'] = [];
  for (const { grader, ...arm } of run.arms) {
    arms.push({ ...arm, weights: await save(`grader-${arm.name}`, grader) });
  }
  const accuracy = (arm: (typeof arms)[number]) => arm.validationBalancedAccuracy ?? 0;
  const { source, synthetic, condition, studies, discs, fingerprint, sliceSize } = manifest;
  const { size, mode, extentMm } = manifest.roi;
  const description: ModelDescription = {
    version: 1,
    config,
    roi: { size, mode, extentMm },
    sliceSize,
    normalisation: run.normalisation,
    localizer: { ...aboutLocalizer, weights: await save('localizer', network) },
    arms,
    recommended: arms.reduce((best, arm) => (accuracy(arm) > accuracy(best) ? arm : best)).name,
    trainedOn: { source, synthetic, condition, studies, discs, fingerprint },
    notice: NOTICES[source],
  };
  await writeFileAtomic(join(dir, FILE), `${JSON.stringify(description, null, 2)}\n`);
  return description;
}

export interface Model {
  description: ModelDescription;
  arm: ArmName;
  localizer: Localizer;
  grader: Grader;
  dispose(): void;
}

/**
 * Loads the localizer and one grader of a run, in eval mode.
 *
 * @param arm the recommended one if it is left out
 * @throws SpinegradError ERR_MODEL_MISSING, ERR_MODEL, ERR_MODEL_ARM, ERR_READ, ERR_SAFETENSORS_*, ERR_WEIGHTS
 */
export async function loadModel(dir: string, device: Device, arm?: string): Promise<Model> {
  const description = await readModel(dir);
  const { config, arms } = description;
  const chosen = arms.find(({ name }) => name === (arm ?? description.recommended));
  if (!chosen) {
    throw new SpinegradError(
      'ERR_MODEL_ARM',
      `${dir}: found no arm '${arm}', expected one of ${arms.map(({ name }) => name).join(', ')}`,
    );
  }
  const fill = async <T extends Module>(module: T, weights: string): Promise<T> => {
    const path = join(dir, weights);
    return module.load(await readSafetensors(path), path).eval();
  };
  const localizer = await fill(newLocalizer({ config, device }), description.localizer.weights);
  const build = { device, random: new RandomStream(config.seed) };
  const grader = await fill(new Grader(build, new ResNet(build, config.encoder)), chosen.weights);
  return {
    description,
    arm: chosen.name,
    localizer,
    grader,
    dispose() {
      localizer.dispose();
      grader.dispose();
    },
  };
}

/** Reads and checks model.json. */
export async function readModel(dir: string): Promise<ModelDescription> {
  const path = join(dir, FILE);
  if (!existsSync(path)) {
    const found = existsSync(join(dir, 'config.json'))
      ? `the run in ${dir} has not ended; go on with \`node train.js --resume --out ${dir}\``
      : 'expected the folder of a finished run; make one by `node train.js`';
    throw new SpinegradError('ERR_MODEL_MISSING', `${path}: there is no such file; ${found}`);
  }
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw readError(path, cause);
  });
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch (cause) {
    throw new SpinegradError('ERR_MODEL', `${path}: is not JSON; copy the run's folder again`, { cause });
  }
  const result = modelSchema.safeParse(stored);
  if (result.success) return result.data;
  const { path: where, message } = result.error.issues[0]!;
  throw new SpinegradError(
    'ERR_MODEL',
    `${path}: at ${where.join('.') || 'the top'}: ${message}; it was written by another version of spinegrad`,
  );
}
