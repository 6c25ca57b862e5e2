/** What a study's report is made of, and its results: the schema of STUDY/summary.json. */
import { z } from 'zod';
import { CROPS } from '../evaluation/predictionsFile.js';
import { programSchema } from '../io/provenance.js';
import { taskSchema } from '../tasks/task.js';
import { armSchema, coverageFields, differenceSchema, estimateSchema, perMetric } from './armResult.js';

const wholeNumber = z.int().min(0);

/** One unit of the work of a study. */
const cell = z.strictObject({
  /** From 0. */
  fold: wholeNumber,
  repeat: wholeNumber,
  /** Fraction of the training and validation patients whose grades are used. */
  labels: z.number().gt(0).max(1),
  arm: z.string(),
});

/** What identifies the data set. */
const data = z.strictObject({
  name: z.string(),
  /** Layout of the data folder. */
  layout: z.string(),
  /** Kinds of series that are graded. */
  series: z.array(z.string()),
  synthetic: z.boolean(),
  /** Terms and source of the data. */
  notice: z.string(),
});

/** Arm `a` minus arm `b` on the same test discs. */
const comparison = z.strictObject({
  a: z.string(),
  b: z.string(),
  ...coverageFields,
  metrics: perMetric(differenceSchema),
});

/** The results at one label fraction on one kind of crop. */
const block = z.strictObject({
  labels: z.number(),
  crops: z.enum(CROPS),
  arms: z.array(armSchema),
  /** Each arm minus each earlier arm, without pairs of variants. */
  comparisons: z.array(comparison),
});

/** The patients of one scanner or field strength. */
const group = z.strictObject({
  kind: z.enum(['scanner', 'fieldStrength']),
  value: z.string(),
  patients: wholeNumber,
  arms: z.array(armSchema.pick({ name: true, discs: true, metrics: true, mostSevereAsMildest: true })),
});

const task = z.strictObject({
  task: taskSchema,
  /** By label fraction, then predicted before annotated crops. */
  blocks: z.array(block),
  /** At the largest label fraction; null if nothing is known about scanners. */
  groups: z.array(group).nullable(),
});

/** The balanced accuracy of an arm on the validation patients by the length of fine-tuning. */
const learningCurve = z.strictObject({
  name: z.string(),
  /** Folds and repeats in the mean. */
  cells: wholeNumber,
  /** Mean and standard deviation over the cells. `step`: optimizer steps until the end of the epoch. */
  epochs: z.array(
    z.strictObject({ epoch: wholeNumber, step: z.number(), mean: z.number(), sd: z.number().min(0) }),
  ),
  /** Mean after the last epoch; null without an epoch. */
  final: z.number().nullable(),
  /** Steps until the mean first is at least 95 % of `final`. */
  stepsTo95: z.number().nullable(),
});

/** Mean fraction of the nearest discs of other patients with the label of a disc, and of all discs of other patients. */
const agreement = z.strictObject({ observed: z.number(), chance: z.number() }).nullable();

/** The embeddings of the test discs of one cell at the largest label fraction. */
const embeddings = z.strictObject({
  ...{ arm: z.string(), fold: wholeNumber, repeat: wholeNumber },
  /** Test discs with a grade of the first task. */
  discs: wholeNumber,
  /** Null if there are too few discs. */
  grades: agreement,
  /** Null also if fewer than two scanners are known. */
  scanners: agreement,
});

/** The score of the RSNA 2024 challenge and its parts. */
const rsnaArm = z.strictObject({
  name: z.string(),
  ...coverageFields,
  score: estimateSchema,
  spinal: estimateSchema,
  foraminal: estimateSchema,
  subarticular: estimateSchema,
  anySevereSpinal: estimateSchema,
});

export const studySummarySchema = z.strictObject({
  name: z.string(),
  program: programSchema,
  data,
  plan: z.strictObject({
    folds: wholeNumber,
    repeats: wholeNumber,
    labels: z.array(z.number()),
    arms: z.array(z.strictObject({ name: z.string(), description: z.string() })),
    /** Cells of the plan, and those with predictions, by label fraction and arm. */
    progress: z.array(
      z.strictObject({ labels: z.number(), arm: z.string(), planned: wholeNumber, finished: wholeNumber }),
    ),
    /** Cells of the plan without a prediction. */
    missing: z.array(cell),
  }),
  resampling: z.strictObject({ seed: z.int(), resamples: wholeNumber, permutations: wholeNumber }),
  tasks: z.array(task),
  /** By label fraction, ascending; empty without curves.csv. */
  curves: z.array(z.strictObject({ labels: z.number(), arms: z.array(learningCurve) })),
  /** One cell per arm; empty if the cells did not keep them. */
  embeddings: z.array(embeddings),
  /** Null unless the study grades all five conditions of the RSNA layout. */
  rsna: z
    .array(z.strictObject({ labels: z.number(), crops: z.enum(CROPS), arms: z.array(rsnaArm) }))
    .nullable(),
});

export type StudyCell = z.output<typeof cell>;
export type StudyData = z.output<typeof data>;
export type StudyComparison = z.output<typeof comparison>;
export type Block = z.output<typeof block>;
export type GroupResult = z.output<typeof group>;
export type StudyTask = z.output<typeof task>;
export type LearningCurve = z.output<typeof learningCurve>;
export type StudyRsnaArm = z.output<typeof rsnaArm>;
export type StudySummary = z.output<typeof studySummarySchema>;
