/** What a study's report is made of, and its results: the schema of STUDY/summary.json. */
import { z } from 'zod';
import { CROPS } from '../evaluation/predictionsFile.js';
import { programSchema } from '../io/provenance.js';
import { taskSchema } from '../tasks/task.js';
import { METRICS, type MetricName } from './sample.js';

const wholeNumber = z.int().min(0);
const optional = z.number().nullable();
const perGrade = <T extends z.ZodType>(value: T) => z.record(z.string(), value);
const perMetric = <T extends z.ZodType>(value: T) =>
  z.strictObject(Object.fromEntries(METRICS.map((name) => [name, value])) as Record<MetricName, T>);

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

/** A metric: the mean over the repeats, its 95 % interval, and its value in each repeat. Null if it is undefined. */
const estimate = z.strictObject({
  value: optional,
  /** Null if the sample has too few patients. */
  low: optional,
  high: optional,
  repeats: z.array(optional),
});

const coverage = {
  patients: wholeNumber,
  /** Numbers of the repeats that were evaluated. */
  repeats: z.array(wholeNumber),
  /** Whether these are all repeats of the plan, each with all folds. */
  complete: z.boolean(),
};

const arm = z.strictObject({
  name: z.string(),
  ...coverage,
  /** Test discs of a repeat; their mean if the repeats differ. */
  discs: z.number().min(0),
  patientsPerGrade: perGrade(wholeNumber),
  /** The interval of `mostSevereAsMildest` is Wilson's, all others are bootstrap intervals. */
  metrics: perMetric(estimate),
  recall: perGrade(estimate),
  /** k of n discs of the most severe grade; k is the mean over the repeats. Null for nominal grades. */
  mostSevereAsMildest: z.strictObject({ k: z.number().min(0), n: z.number().min(0) }).nullable(),
  /** Mean over the repeats. Rows: truth; columns: prediction. */
  confusion: z.array(z.array(z.number().min(0))),
  /** The predictions of all repeats in bins of confidence, (low, high]; bins without a prediction are left out. */
  reliability: z.array(
    z.strictObject({
      low: z.number(),
      high: z.number(),
      /** Predictions in the bin, over all repeats. */
      count: wholeNumber,
      /** Mean confidence and fraction of correct predictions. */
      confidence: z.number(),
      accuracy: z.number(),
    }),
  ),
  /** Means over the repeats, from cranial to caudal. */
  perLevel: z.record(
    z.string(),
    z.strictObject({ discs: z.number(), correct: z.number(), balancedAccuracy: optional, kappa: optional }),
  ),
});

const difference = z.strictObject({
  value: optional,
  low: optional,
  high: optional,
  /** Two-sided permutation test; null for AUROC and AUPRC. */
  p: optional,
  /** `p` after Holm's correction over the comparisons of the same metric, task, fraction and crops. */
  pHolm: optional,
  /** The smallest true difference that a study like this one finds with a power of 80 % at a level of 0.05. */
  detectable: optional,
});

/** Arm `a` minus arm `b` on the same test discs. */
const comparison = z.strictObject({
  a: z.string(),
  b: z.string(),
  ...coverage,
  metrics: perMetric(difference),
});

/** The results at one label fraction on one kind of crop. */
const block = z.strictObject({
  labels: z.number(),
  crops: z.enum(CROPS),
  arms: z.array(arm),
  /** Each arm minus each earlier arm. */
  comparisons: z.array(comparison),
});

/** The patients of one scanner or field strength. */
const group = z.strictObject({
  kind: z.enum(['scanner', 'fieldStrength']),
  value: z.string(),
  patients: wholeNumber,
  arms: z.array(arm.pick({ name: true, discs: true, metrics: true, mostSevereAsMildest: true })),
});

const task = z.strictObject({
  task: taskSchema,
  /** By label fraction, then predicted before annotated crops. */
  blocks: z.array(block),
  /** At the largest label fraction; null if nothing is known about scanners. */
  groups: z.array(group).nullable(),
});

/** The score of the RSNA 2024 challenge and its parts. */
const rsnaArm = z.strictObject({
  name: z.string(),
  ...coverage,
  score: estimate,
  spinal: estimate,
  foraminal: estimate,
  subarticular: estimate,
  anySevereSpinal: estimate,
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
  /** Null unless the study grades all five conditions of the RSNA layout. */
  rsna: z
    .array(z.strictObject({ labels: z.number(), crops: z.enum(CROPS), arms: z.array(rsnaArm) }))
    .nullable(),
});

export type StudyCell = z.output<typeof cell>;
export type StudyData = z.output<typeof data>;
export type Estimate = z.output<typeof estimate>;
export type ArmResult = z.output<typeof arm>;
export type Difference = z.output<typeof difference>;
export type StudyComparison = z.output<typeof comparison>;
export type Block = z.output<typeof block>;
export type GroupResult = z.output<typeof group>;
export type StudyTask = z.output<typeof task>;
export type StudyRsnaArm = z.output<typeof rsnaArm>;
export type StudySummary = z.output<typeof studySummarySchema>;
