/**
 * What a run leaves for others: `model.json` says what the networks are, what they were trained on and how their
 * input is made; beside it lie their weights. It is all that `spinegrad predict` reads of a run.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { BankManifest } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { expectFinite } from '../engine/finite.js';
import { SpinegradError } from '../error.js';
import { makeFolder, writeFileAtomic } from '../io/atomic.js';
import { readError } from '../io/files.js';
import { readSafetensors, writeSafetensors } from '../io/safetensors.js';
import type { Module } from '../nn/module.js';
import { ResNet } from '../nn/resnet.js';
import { RandomStream } from '../random.js';
import { taskOf } from '../tasks/index.js';
import { valuesOf } from '../training/checkpoint.js';
import { type Config, configSchema } from '../training/config.js';
import type { Normalisation } from '../training/discs.js';
import { newLocalizer } from '../training/localize.js';
import { Grader } from './grader.js';
import type { Localizer } from './localizer.js';

const ARM_NAMES = ['scratch', 'frozen', 'contrastive'] as const;
export type ArmName = (typeof ARM_NAMES)[number];

const normalisationSchema = z.object({ mean: z.number(), std: z.number().positive() });

/** A weight file and the SHA-256 of its bytes. */
const weightsSchema = z.object({ file: z.string(), sha256: z.string() });

export type WeightFile = z.output<typeof weightsSchema>;

const VERSION = 2;

const modelSchema = z.object({
  version: z.literal(VERSION),
  config: configSchema,
  roi: z.object({ size: z.number().int(), mode: z.enum(['pixels', 'mm']), extentMm: z.number() }),
  sliceSize: z.number().int(),
  /** Of intensities from 0 to 1. */
  normalisation: z.object({ rois: normalisationSchema, slices: normalisationSchema }),
  localizer: z.object({
    weights: weightsSchema,
    /** On the validation patients. */
    rmseMm: z.number().nullable(),
    /** What the spread of views seldom exceeds on validation slices (their 95th percentile), as a share of the side. */
    usualSpread: z.number().positive(),
  }),
  arms: z
    .array(
      z.object({
        name: z.enum(ARM_NAMES),
        weights: weightsSchema,
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
    /** Id of the task; equals config.task. */
    task: z.string(),
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
 * @throws SpinegradError ERR_WRITE, ERR_DISK_FULL, ERR_NOT_FINITE
 */
export async function writeModel(dir: string, run: TrainedRun): Promise<ModelDescription> {
  const { config, manifest, localizer } = run;
  await makeFolder(join(dir, 'weights'));
  const save = async (name: string, module: Module) => {
    const file = `weights/${name}.safetensors`;
    const values = await valuesOf(module.state());
    for (const [tensor, { data }] of values)
      expectFinite(data, `${file}: '${tensor}'`, 'the training diverged');
    await writeSafetensors(join(dir, file), values);
    return { file, sha256: await sha256Of(join(dir, file)) };
  };
  const { network, ...aboutLocalizer } = localizer;
  const arms: ModelDescription['arms'] = [];
  for (const { grader, ...arm } of run.arms) {
    arms.push({ ...arm, weights: await save(`grader-${arm.name}`, grader) });
  }
  const accuracy = (arm: (typeof arms)[number]) => arm.validationBalancedAccuracy ?? 0;
  const { source, synthetic, task, studies, discs, fingerprint, sliceSize } = manifest;
  const { size, mode, extentMm } = manifest.roi;
  const description: ModelDescription = {
    version: VERSION,
    config,
    roi: { size, mode, extentMm },
    sliceSize,
    normalisation: run.normalisation,
    localizer: { ...aboutLocalizer, weights: await save('localizer', network) },
    arms,
    recommended: arms.reduce((best, arm) => (accuracy(arm) > accuracy(best) ? arm : best)).name,
    trainedOn: { source, synthetic, task, studies, discs, fingerprint },
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
 * @throws SpinegradError ERR_MODEL_MISSING, ERR_MODEL, ERR_MODEL_ARM, ERR_MODEL_WEIGHTS, ERR_FILE_*, ERR_SAFETENSORS_*,
 *   ERR_WEIGHTS, ERR_NOT_FINITE
 */
export async function loadModel(dir: string, device: Device, arm?: string): Promise<Model> {
  const description = await readModel(dir);
  const { config, arms } = description;
  const grades = taskOf(config.task).grades.length;
  const chosen = arms.find(({ name }) => name === (arm ?? description.recommended));
  if (!chosen) {
    throw new SpinegradError(
      'ERR_MODEL_ARM',
      `${dir}: found no arm '${arm}', expected one of ${arms.map(({ name }) => name).join(', ')}`,
    );
  }
  const fill = async <T extends Module>(module: T, { file, sha256 }: WeightFile): Promise<T> => {
    const path = join(dir, file);
    const found = await sha256Of(path);
    if (found !== sha256) {
      throw new SpinegradError(
        'ERR_MODEL_WEIGHTS',
        `${path}: found a file with SHA-256 ${found}, ${FILE} expects ${sha256}: it is not the file that the run wrote; ` +
          "copy the run's folder again",
      );
    }
    return module.load(await readSafetensors(path), path).eval();
  };
  const localizer = await fill(newLocalizer({ config, device }), description.localizer.weights);
  const build = { device, random: new RandomStream(config.seed) };
  const grader = await fill(new Grader(build, new ResNet(build, config.encoder), { grades }), chosen.weights);
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

async function sha256Of(path: string): Promise<string> {
  const bytes = await readFile(path).catch((cause) => {
    throw readError(path, cause);
  });
  return createHash('sha256').update(bytes).digest('hex');
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
  const version = (stored as { version?: unknown } | null)?.version;
  if (version !== VERSION) {
    throw new SpinegradError(
      'ERR_MODEL',
      `${path}: found version ${JSON.stringify(version)}, expected ${VERSION}: it was written by another version of ` +
        'spinegrad; use that version, or train again',
    );
  }
  const result = modelSchema.safeParse(stored);
  if (result.success) {
    const { config, trainedOn } = result.data;
    taskOf(config.task, `${path}: config.task`);
    if (config.task === trainedOn.task) return result.data;
    throw new SpinegradError(
      'ERR_TASK_MISMATCH',
      `${path}: the settings state task ${config.task}, the training data task ${trainedOn.task}; copy the run's folder again`,
    );
  }
  const { path: where, message } = result.error.issues[0]!;
  throw new SpinegradError(
    'ERR_MODEL',
    `${path}: at ${where.join('.') || 'the top'}: ${message}; copy the run's folder again`,
  );
}
