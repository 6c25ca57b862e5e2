/** `model.json`: the description of the networks of a finished run, their input, their calibration and their training data. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LAYOUT_NAMES } from '../data/layouts/layout.js';
import { SpinegradError } from '../error.js';
import { expectFile, readError } from '../io/files.js';
import { parseJson } from '../io/json.js';
import { programSchema } from '../io/provenance.js';
import { taskSchema } from '../tasks/task.js';
import { taskCalibrationSchema } from './armCalibration.js';
import { graderSchema, localizerSchema } from './build.js';
import { graderInputSchema } from './fusion/spec.js';
import { GRADING_VIEWS } from './gradingViews.js';
import { normalisationSchema } from './normalisation.js';
import { siteSchema } from './sites.js';

export const MODEL_FILE = 'model.json';
export const MODEL_VERSION = 6;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected the 64 hexadecimal digits of a SHA-256');

/** A weight file and the SHA-256 of its bytes. */
const weightsSchema = z.object({ file: z.string(), sha256 });
export type WeightFile = z.output<typeof weightsSchema>;

const modelSchema = z.object({
  version: z.literal(MODEL_VERSION),
  roi: z.object({ size: z.number().int(), mode: z.enum(['pixels', 'mm']), extentMm: z.number() }),
  /** Of the graders. */
  input: graderInputSchema,
  /** Of the slices of the localizer; intensities scaled to 0..1. */
  normalisation: normalisationSchema,
  localizer: z.object({
    network: localizerSchema,
    weights: weightsSchema,
    /** Kinds of series of its training slices, the most frequent first. */
    series: z.array(z.string()),
    /** On the validation patients; null if it was not measured. */
    rmseMm: z.number().nullable(),
  }),
  /** Where discs are graded. */
  sites: z.array(siteSchema),
  arms: z
    .array(
      z.object({
        name: z.string(),
        network: graderSchema,
        weights: weightsSchema,
        bestEpoch: z.number().int(),
        validationBalancedAccuracy: z.number().nullable(),
        /** On the validation patients; in the order of the tasks. */
        calibration: z.array(taskCalibrationSchema).min(1),
        /** What the training crops look like, and the distance from them above which crops are unlike them. */
        novelty: z.object({ weights: weightsSchema, limit: z.number().positive() }),
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
  /**
   * SHA-256 of the slices for the localizer of the training and validation patients, with which `evaluate` finds these
   * patients in other folders.
   */
  trainedImages: z.array(sha256).min(1),
  /** The settings with which `spinegrad evaluate` reproduces the numbers of the run. */
  evaluation: z.object({
    seed: z.number().int(),
    resamples: z.number().int().positive(),
    /** Views of each crop over which the probabilities are averaged. */
    views: z.number().int().min(1).max(GRADING_VIEWS.length),
    /** Nominal coverage of the conformal sets. */
    coverage: z.number().gt(0).lt(1),
    /** Threads of the CPU device; null: the default. */
    threads: z.number().int().positive().nullable(),
  }),
  /** The program that wrote the model, and when. */
  program: programSchema,
  notice: z.string(),
  /** All settings of the training, for the record. */
  config: z.record(z.string(), z.unknown()),
  /** `hashOfModel` of the other keys. */
  sha256,
});

export type ModelDescription = z.output<typeof modelSchema>;
export type ArmDescription = ModelDescription['arms'][number];

/** SHA-256 of the other keys of a description: of their JSON without spaces, in the order of the file. */
export function hashOfModel({ sha256: _, ...others }: Partial<ModelDescription>): string {
  return createHash('sha256').update(JSON.stringify(others)).digest('hex');
}

/** Reads and checks model.json. */
export async function readModel(dir: string): Promise<ModelDescription> {
  const path = join(dir, MODEL_FILE);
  if (!existsSync(path)) {
    const advice = existsSync(join(dir, 'config.json'))
      ? `the run in ${dir} is not finished; resume it with \`node train.js --resume --out ${dir}\``
      : 'expected the folder of a finished run; make one with `node train.js`';
    throw new SpinegradError('ERR_MODEL_MISSING', `${path}: there is no such file; ${advice}`);
  }
  await expectFile(path);
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw readError(path, cause);
  });
  const fail = (found: string, cause?: unknown): never => {
    throw new SpinegradError('ERR_MODEL', `${path}: ${found}; copy the run's folder again`, { cause });
  };
  let stored: Partial<ModelDescription> | null;
  try {
    stored = parseJson(text);
  } catch (cause) {
    return fail('is not JSON', cause);
  }
  if (stored?.version !== MODEL_VERSION) {
    throw new SpinegradError(
      'ERR_MODEL',
      `${path}: found version ${JSON.stringify(stored?.version)}, expected ${MODEL_VERSION}: another version of spinegrad wrote ` +
        'it; use that version, or train again',
    );
  }
  const hash = hashOfModel(stored);
  if (stored.sha256 !== hash)
    return fail(
      `sha256: found ${JSON.stringify(stored.sha256)?.slice(0, 80) ?? 'nothing'}, the other keys have the SHA-256 ${hash}: the ` +
        'file is not the one that the run wrote',
    );
  const result = modelSchema.safeParse(stored);
  if (result.success) {
    const { trainedOn, arms } = result.data;
    const scales = (heads: readonly { task: string; grades: number }[]) =>
      heads.map(({ task, grades }) => `${task} (${grades} grades)`).join(', ');
    const tasks = scales(trainedOn.tasks.map(({ id, grades }) => ({ task: id, grades: grades.length })));
    const parts = arms.flatMap(({ name, network, calibration }) => {
      const calibrated = calibration.map(({ task, minimums }) => ({ task, grades: minimums.length }));
      return [
        `arm ${name} grades ${scales(network.heads)}`,
        `arm ${name} is calibrated for ${scales(calibrated)}`,
      ];
    });
    const other = parts.find((part) => !part.endsWith(` ${tasks}`));
    if (other === undefined) return result.data;
    throw new SpinegradError(
      'ERR_TASK_MISMATCH',
      `${path}: the model's tasks are ${tasks}, ${other}; copy the run's folder again, or use the version of spinegrad that ` +
        'trained it',
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
