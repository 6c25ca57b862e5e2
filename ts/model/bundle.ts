/**
 * The model of a finished run: `model.json` describes the networks, their input and their training data; the weights
 * are in files next to it. `spinegrad predict` reads nothing else of a run.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LAYOUT_NAMES } from '../data/layouts/layout.js';
import type { BankManifest } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { expectFinite } from '../engine/finite.js';
import { SpinegradError } from '../error.js';
import { makeFolder, writeFileAtomic } from '../io/atomic.js';
import { readError } from '../io/files.js';
import { type Program, programSchema } from '../io/provenance.js';
import { readSafetensors, writeSafetensors } from '../io/safetensors.js';
import type { Module } from '../nn/module.js';
import { valuesOf } from '../nn/values.js';
import { RandomStream } from '../random.js';
import { taskSchema } from '../tasks/task.js';
import {
  buildGrader,
  buildLocalizer,
  graderArchitecture,
  graderSchema,
  localizerArchitecture,
  localizerSchema,
} from './build.js';
import { type GraderInput, graderInputSchema } from './fusion/spec.js';
import type { Grader } from './grader.js';
import { GRADING_VIEWS } from './gradingViews.js';
import type { Localizer } from './localizer.js';
import { type Normalisation, normalisationSchema } from './normalisation.js';
import { type Site, siteSchema } from './sites.js';

const FILE = 'model.json';
const VERSION = 4;

/** A weight file and the SHA-256 of its bytes. */
const weightsSchema = z.object({ file: z.string(), sha256: z.string() });
type WeightFile = z.output<typeof weightsSchema>;

const modelSchema = z.object({
  version: z.literal(VERSION),
  roi: z.object({ size: z.number().int(), mode: z.enum(['pixels', 'mm']), extentMm: z.number() }),
  /** Of the graders. */
  input: graderInputSchema,
  /** Of the slices of the localizer; intensities scaled to 0..1. */
  normalisation: normalisationSchema,
  localizer: z.object({
    network: localizerSchema,
    weights: weightsSchema,
    /** Kinds of series of its training slices, the most frequent first. */
    series: z.array(z.string()).default([]),
    /** On the validation patients; null if it was not measured. */
    rmseMm: z.number().nullable(),
  }),
  /** Where discs are graded. Empty in older models: tasks of a side cannot be graded with them. */
  sites: z.array(siteSchema).default([]),
  arms: z
    .array(
      z.object({
        name: z.string(),
        network: graderSchema,
        weights: weightsSchema,
        bestEpoch: z.number().int(),
        validationBalancedAccuracy: z.number().nullable(),
      }),
    )
    .min(1),
  /** The arm with the best balanced accuracy on the validation patients. */
  recommended: z.string(),
  trainedOn: z.object({
    preset: z.string(),
    /** Layout and name of the data set. */
    layout: z.enum(LAYOUT_NAMES),
    dataset: z.string(),
    synthetic: z.boolean(),
    tasks: z.array(taskSchema).min(1),
    studies: z.number().int(),
    discs: z.number().int(),
    /** Fingerprint of the ROI bank. */
    fingerprint: z.string(),
  }),
  /** The settings with which `spinegrad evaluate` reproduces the numbers of the run. */
  evaluation: z.object({
    seed: z.number().int(),
    resamples: z.number().int().positive(),
    /** Views of each crop over which the probabilities are averaged. */
    views: z.number().int().min(1).max(GRADING_VIEWS.length),
    /** Threads of the CPU device; null: the default. */
    threads: z.number().int().positive().nullable(),
  }),
  /** The program that wrote the model, and when. */
  program: programSchema,
  notice: z.string(),
  /** All settings of the training, for the record. */
  config: z.record(z.string(), z.unknown()),
});

export type ModelDescription = z.output<typeof modelSchema>;
type ArmDescription = ModelDescription['arms'][number];

export interface TrainedArm {
  name: string;
  grader: Grader;
  bestEpoch: number;
  validationBalancedAccuracy: number | null;
}

export interface TrainedModel {
  preset: string;
  config: Record<string, unknown>;
  evaluation: ModelDescription['evaluation'];
  program: Program;
  manifest: BankManifest;
  input: GraderInput;
  normalisation: Normalisation;
  localizer: { network: Localizer; series: string[]; rmseMm: number | null };
  sites: Site[];
  /** At least one. */
  arms: readonly TrainedArm[];
}

const RESEARCH = 'For research only: not a medical device, not for diagnosis.';

/** What a user of the weights must know about the data. */
export function noticeOf({ dataset, layout, synthetic }: BankManifest): string {
  if (synthetic)
    return `Trained on synthetic images only: its grades say nothing about patients. ${RESEARCH}`;
  const terms = {
    rsna: 'If these are the data of the RSNA 2024 lumbar spine challenge, its terms also apply to the weights.',
    spider: 'SPIDER is published under CC BY 4.0 (van der Graaf et al., Scientific Data 11:264, 2024).',
    table: 'The terms of the data also apply to the weights.',
  };
  return `Trained on the data set ${dataset}. ${terms[layout]} ${RESEARCH}`;
}

/**
 * Writes model.json and weights/ into the folder of a run.
 *
 * @throws SpinegradError ERR_WRITE, ERR_DISK_FULL, ERR_NOT_FINITE
 */
export async function writeModel(dir: string, model: TrainedModel): Promise<ModelDescription> {
  const { preset, config, evaluation, program, manifest, input, normalisation, localizer } = model;
  await makeFolder(join(dir, 'weights'));
  const save = async (name: string, module: Module): Promise<WeightFile> => {
    const file = `weights/${name}.safetensors`;
    const values = await valuesOf(module.state());
    for (const [tensor, { data }] of values)
      expectFinite(data, `${file}: '${tensor}'`, 'the training diverged');
    await writeSafetensors(join(dir, file), values);
    return { file, sha256: await sha256Of(join(dir, file)) };
  };
  const arms: ArmDescription[] = [];
  for (const { name, grader, bestEpoch, validationBalancedAccuracy } of model.arms) {
    const weights = await save(`grader-${name}`, grader);
    const network = graderArchitecture(grader);
    arms.push({ name, network, weights, bestEpoch, validationBalancedAccuracy });
  }
  const accuracy = (arm: ArmDescription) => arm.validationBalancedAccuracy ?? 0;
  const { layout, dataset, synthetic, tasks, studies, discs, fingerprint } = manifest;
  const { size, mode, extentMm } = manifest.roi;
  const { network, series, rmseMm } = localizer;
  const description: ModelDescription = {
    version: VERSION,
    roi: { size, mode, extentMm },
    input,
    normalisation,
    localizer: {
      network: localizerArchitecture(network),
      weights: await save('localizer', network),
      series,
      rmseMm,
    },
    sites: model.sites,
    arms,
    recommended: arms.reduce((best, arm) => (accuracy(arm) > accuracy(best) ? arm : best)).name,
    trainedOn: { preset, layout, dataset, synthetic, tasks, studies, discs, fingerprint },
    evaluation,
    program,
    notice: noticeOf(manifest),
    config,
  };
  await writeFileAtomic(join(dir, FILE), `${JSON.stringify(description, null, 2)}\n`);
  return description;
}

/** A loaded grader and its entry in model.json. */
export interface LoadedArm extends ArmDescription {
  grader: Grader;
}

/** A localizer and graders in eval mode. */
export interface Model {
  description: ModelDescription;
  localizer: Localizer;
  arms: LoadedArm[];
  dispose(): void;
}

/**
 * Loads the localizer and graders of a run.
 *
 * @param which the name of an arm, `recommended`, or `all`
 * @throws SpinegradError ERR_MODEL_MISSING, ERR_MODEL, ERR_MODEL_ARM, ERR_MODEL_WEIGHTS, ERR_FILE_*, ERR_SAFETENSORS_*,
 *   ERR_WEIGHTS, ERR_NOT_FINITE
 */
export async function loadModel(dir: string, device: Device, which = 'recommended'): Promise<Model> {
  const description = await readModel(dir);
  const chosen = chooseArms(dir, description, which);
  const build = { device, random: new RandomStream(0) };
  const load = async <T extends Module>(module: T, { file, sha256 }: WeightFile): Promise<T> => {
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
  const localizer = await load(
    buildLocalizer(description.localizer.network, build),
    description.localizer.weights,
  );
  const arms: LoadedArm[] = [];
  for (const arm of chosen) {
    arms.push({ ...arm, grader: await load(buildGrader(arm.network, build), arm.weights) });
  }
  return {
    description,
    localizer,
    arms,
    dispose() {
      localizer.dispose();
      for (const { grader } of arms) grader.dispose();
    },
  };
}

function chooseArms(dir: string, { arms, recommended }: ModelDescription, which: string): ArmDescription[] {
  if (which === 'all') return arms;
  const name = which === 'recommended' ? recommended : which;
  const chosen = arms.filter((arm) => arm.name === name);
  if (chosen.length > 0) return chosen;
  const names = arms.map((arm) => arm.name).join(', ');
  throw new SpinegradError('ERR_MODEL_ARM', `${dir}: found no arm '${name}', expected one of ${names}`);
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
    const advice = existsSync(join(dir, 'config.json'))
      ? `the run in ${dir} is not finished; resume it with \`node train.js --resume --out ${dir}\``
      : 'expected the folder of a finished run; make one with `node train.js`';
    throw new SpinegradError('ERR_MODEL_MISSING', `${path}: there is no such file; ${advice}`);
  }
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw readError(path, cause);
  });
  const fail = (found: string, cause?: unknown): never => {
    throw new SpinegradError('ERR_MODEL', `${path}: ${found}; copy the run's folder again`, { cause });
  };
  let stored: { version?: unknown } | null;
  try {
    stored = JSON.parse(text);
  } catch (cause) {
    return fail('is not JSON', cause);
  }
  if (stored?.version !== VERSION) {
    throw new SpinegradError(
      'ERR_MODEL',
      `${path}: found version ${JSON.stringify(stored?.version)}, expected ${VERSION}: another version of spinegrad wrote ` +
        'it; use that version, or train again',
    );
  }
  const result = modelSchema.safeParse(stored);
  if (result.success) {
    const { trainedOn, arms } = result.data;
    const scales = (heads: readonly { task: string; grades: number }[]) =>
      heads.map(({ task, grades }) => `${task} (${grades} grades)`).join(', ');
    const tasks = scales(trainedOn.tasks.map(({ id, grades }) => ({ task: id, grades: grades.length })));
    const other = arms.find(({ network }) => scales(network.heads) !== tasks);
    if (other === undefined) return result.data;
    throw new SpinegradError(
      'ERR_TASK_MISMATCH',
      `${path}: the model's tasks are ${tasks}, arm ${other.name} grades ${scales(other.network.heads)}; copy the run's folder ` +
        'again, or use the version of spinegrad that trained it',
    );
  }
  const { path: keys, message } = result.error.issues[0]!;
  const found = keys.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
    stored,
  );
  const shown = JSON.stringify(found)?.slice(0, 80) ?? 'nothing';
  return fail(`${keys.join('.') || 'the top'}: found ${shown}; ${message.replace(/^Invalid \w+: /, '')}`);
}
