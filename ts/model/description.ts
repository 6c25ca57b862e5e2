/** `model.json`: the description of the networks of a finished run, their input, their calibration and their training data. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { LAYOUT_NAMES } from '../data/layouts/layout.js';
import { extentMm, imageSide } from '../data/limits.js';
import { programSchema } from '../io/provenance.js';
import { taskSchema } from '../tasks/task.js';
import { taskCalibrationSchema } from './armCalibration.js';
import { graderSchema, localizerSchema } from './build.js';
import { graderInputSchema } from './fusion/spec.js';
import { GRADING_VIEWS } from './gradingViews.js';
import { resampleCount } from './networkLimits.js';
import { normalisationSchema } from './normalisation.js';
import { siteSchema } from './sites.js';

export const MODEL_FILE = 'model.json';
export const MODEL_VERSION = 6;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'expected the 64 hexadecimal digits of a SHA-256');

/** A weight file in the folder of the model, and the SHA-256 of its bytes. */
const weightsSchema = z.object({
  file: z
    .string()
    .regex(
      /^weights\/[\w-]+\.safetensors$/,
      'expected a file of the model, such as weights/localizer.safetensors',
    ),
  sha256,
});
export type WeightFile = z.output<typeof weightsSchema>;

const count = z.number().int().min(0);

export const modelSchema = z.object({
  version: z.literal(MODEL_VERSION),
  roi: z.object({ size: imageSide, mode: z.enum(['pixels', 'mm']), extentMm }),
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
    rmseMm: z.number().min(0).nullable(),
  }),
  /** Where discs are graded. */
  sites: z.array(siteSchema),
  arms: z
    .array(
      z.object({
        name: z.string().regex(/^[a-z0-9-]{1,40}$/, 'expected lower case letters, digits and hyphens'),
        network: graderSchema,
        weights: weightsSchema,
        bestEpoch: count,
        validationBalancedAccuracy: z.number().min(0).max(1).nullable(),
        /** On the validation patients; in the order of the tasks. */
        calibration: z.array(taskCalibrationSchema).min(1),
        /** What the training crops look like, and the distance from them above which crops are unlike them. */
        novelty: z.object({ weights: weightsSchema, limit: z.number().positive() }),
      }),
    )
    .min(1)
    .max(32),
  /** The arm with the best balanced accuracy on the validation patients. */
  recommended: z.string(),
  trainedOn: z.object({
    preset: z.string(),
    /** Layout and name of the data set. */
    layout: z.enum(LAYOUT_NAMES),
    dataset: z.string(),
    synthetic: z.boolean(),
    tasks: z.array(taskSchema).min(1),
    studies: count,
    discs: count,
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
    seed: count,
    resamples: resampleCount,
    /** Views of each crop over which the probabilities are averaged. */
    views: z.number().int().min(1).max(GRADING_VIEWS.length),
    /** Nominal coverage of the conformal sets. */
    coverage: z.number().gt(0).lt(1),
    /** Threads of the CPU device; null: the default. */
    threads: z.number().int().min(1).max(1024).nullable(),
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
