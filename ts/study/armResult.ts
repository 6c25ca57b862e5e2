/** The results of one arm of a study, as they are stored in summary.json. */
import { z } from 'zod';
import { calibrationSchema } from '../evaluation/types.js';
import { METRICS, type MetricName } from './sample.js';

const wholeNumber = z.int().min(0);
const optional = z.number().nullable();
const perGrade = <T extends z.ZodType>(value: T) => z.record(z.string(), value);

/** A value per metric. */
export const perMetric = <T extends z.ZodType>(value: T) =>
  z.strictObject(Object.fromEntries(METRICS.map((name) => [name, value])) as Record<MetricName, T>);

/** A metric: the mean over the repeats, its 95 % interval, and its value in each repeat. Null if it is undefined. */
export const estimateSchema = z.strictObject({
  value: optional,
  /** Null if the sample has too few patients. */
  low: optional,
  high: optional,
  repeats: z.array(optional),
});

/** The part of the plan that a result is about. */
export const coverageFields = {
  patients: wholeNumber,
  /** Numbers of the repeats that were evaluated. */
  repeats: z.array(wholeNumber),
  /** Whether these are all repeats of the plan, each with all folds. */
  complete: z.boolean(),
};

/** k of n discs with the Wilson interval of the rate; k is the mean over the repeats. The rate is null if n is 0. */
const meanProportion = z.strictObject({
  k: z.number().min(0),
  n: z.number().min(0),
  rate: optional,
  low: optional,
  high: optional,
});

/** Probabilities after temperature scaling, and conformal sets. Means over the repeats. */
const calibrated = z.strictObject({
  /** Of all test discs, over the repeats. */
  temperature: z.strictObject({ mean: z.number(), low: z.number(), high: z.number() }),
  after: calibrationSchema,
  /** Discs whose set contains the true grade. */
  coverage: meanProportion,
  coveragePerGrade: perGrade(meanProportion),
  /** Mean number of grades in a set. */
  meanSize: z.number().min(1),
  /** Discs whose set has one grade. No set is empty. */
  single: meanProportion,
  /** Discs whose set has all grades. */
  full: meanProportion,
});

const trust = z.strictObject({
  /** Nominal coverage of the sets; null if cells with different ones are pooled. */
  nominal: optional,
  /** The probabilities of the networks. */
  before: calibrationSchema,
  /** Calibrated by each cell on its own validation patients: what the user of one network gets. */
  split: calibrated,
  /** Calibrated on the validation patients of the other folds of the repeat; null if the cells did not keep them. */
  pooled: calibrated
    .extend({
      /** Calibration discs of a fold; the mean over folds and repeats. */
      discs: z.number().min(0),
    })
    .nullable(),
});

export const differenceSchema = z.strictObject({
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

/** The mean probabilities of the networks of all repeats, as one grader. */
const ensemble = z.strictObject({
  /** Networks per disc. */
  members: wholeNumber,
  metrics: perMetric(estimateSchema.omit({ repeats: true })),
  /** k of n discs of the most severe grade; null for nominal grades. */
  mostSevereAsMildest: z.strictObject({ k: wholeNumber, n: wholeNumber }).nullable(),
  /** The ensemble minus the mean of its members; Holm's correction over the arms. */
  difference: perMetric(differenceSchema),
});

export const armSchema = z.strictObject({
  name: z.string(),
  ...coverageFields,
  /** Test discs of a repeat; their mean if the repeats differ. */
  discs: z.number().min(0),
  patientsPerGrade: perGrade(wholeNumber),
  /** The interval of `mostSevereAsMildest` is Wilson's, all others are bootstrap intervals. */
  metrics: perMetric(estimateSchema),
  recall: perGrade(estimateSchema),
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
  /** On predicted crops; null on others, and without calibration. */
  trust: trust.nullable(),
  /** On predicted crops; null on others, and unless two or more repeats tested the same discs. */
  ensemble: ensemble.nullable(),
});

export type Estimate = z.output<typeof estimateSchema>;
export type Difference = z.output<typeof differenceSchema>;
export type MeanProportion = z.output<typeof meanProportion>;
export type CalibratedResult = z.output<typeof calibrated>;
export type ArmTrust = z.output<typeof trust>;
export type Ensemble = z.output<typeof ensemble>;
export type ArmResult = z.output<typeof armSchema>;
