/**
 * Inputs and results of the evaluation: plain arrays, no tensors. A quantity that the sample does not define (AUROC
 * without a positive disc, recall of a grade that does not occur) is null here and in JSON, never NaN. Results are
 * defined as schemas, because they are stored in summary.json.
 */
import { z } from 'zod';
import { taskSchema } from '../tasks/task.js';

/** Predictions of one arm on the test set; all arrays have one entry per disc. */
export interface Predictions {
  /** Study (patient) of each disc: the cluster of the bootstrap. */
  studyId: string[];
  level: string[];
  /** Index of the grade in the task's scale. */
  truth: number[];
  /** Probabilities of the task's grades; each row sums to 1. */
  probabilities: number[][];
}

const fraction = z.number().min(0).max(1);
const wholeNumber = z.int().min(0);
/** A value per grade, by the grade's name. */
const perGrade = <T extends z.ZodType>(value: T) => z.record(z.string(), value);
const perSplit = <T extends z.ZodType>(value: T) =>
  z.strictObject({ train: value, validation: value, test: value });

/** Bounds of a 95 % interval. */
const bounds = z.strictObject({ low: z.number(), high: z.number() });
const optionalBounds = { low: z.number().nullable(), high: z.number().nullable() };

/** A number with its 95 % interval; the bounds are null if the sample has too few patients. */
const interval = z.strictObject({ value: z.number(), ...optionalBounds });

/** k of n with the Wilson interval of the rate; the rate and its bounds are null if n is 0. */
const proportion = z.strictObject({
  k: wholeNumber,
  n: wholeNumber,
  rate: fraction.nullable(),
  ...optionalBounds,
});

/** The metrics of one arm. */
const metrics = z.strictObject({
  /** Patients in the test set. */
  patients: wholeNumber,
  /** Patients with at least one disc of the grade. */
  patientsPerGrade: perGrade(wholeNumber),
  /** Mean recall over the grades that occur in the truth. */
  balancedAccuracy: interval,
  recall: perGrade(fraction.nullable()),
  /** Of the discs of the most severe grade, those predicted as the mildest; null for nominal grades. */
  mostSevereAsMildest: proportion.nullable(),
  /** Cohen's kappa; quadratic weights for ordered grades. */
  kappa: z.number().min(-1).max(1).nullable(),
  /** Ordered grades: the most severe against the rest. Nominal grades: the mean of each grade against the rest. */
  auroc: fraction.nullable(),
  /** Average precision, for the same grades as `auroc`. */
  auprc: fraction.nullable(),
  /** Expected calibration error. */
  ece: fraction,
  /** Log loss with the weights of the task's grades. */
  weightedLogLoss: z.number().min(0),
  /** Rows: truth; columns: prediction. */
  confusion: z.array(z.array(wholeNumber)),
  /** 95 % bootstrap intervals of the numbers above; null if the number is null or the sample has too few patients. */
  intervals: z.strictObject({
    recall: perGrade(bounds.nullable()),
    kappa: bounds.nullable(),
    auroc: bounds.nullable(),
    auprc: bounds.nullable(),
    ece: bounds.nullable(),
    weightedLogLoss: bounds.nullable(),
  }),
});

const arm = z.strictObject({
  name: z.string(),
  bestEpoch: wholeNumber,
  /** On crops at the annotated disc centres. */
  annotated: metrics,
  /** On crops at the disc centres of the localizer. */
  predicted: metrics,
});

/** Distances between predicted and annotated disc centres; null if there is none. */
const localizationError = z.strictObject({
  /** Root of the mean squared Euclidean distance of the found discs, in pixels of the original image. */
  rmsePx: z.number().nullable(),
  rmseMm: z.number().nullable(),
  /** Over all annotated discs; null if half of them were not found. */
  medianMm: z.number().nullable(),
  /** Number of annotated discs. */
  n: wholeNumber,
  /** Number of those for which the localizer gives a disc of the same level. */
  found: wholeNumber,
  /** Fraction of annotated discs within 5 and within 10 mm of the annotation. */
  within5Mm: fraction.nullable(),
  within10Mm: fraction.nullable(),
});

const localization = localizationError.extend({ perLevel: z.record(z.string(), localizationError) });

/** Balanced accuracy of arm `a` minus that of arm `b`, on the same discs, with a paired bootstrap. */
const comparison = z.strictObject({
  a: z.string(),
  b: z.string(),
  difference: interval,
  /** Two-sided; null if the sample has too few patients. */
  p: fraction.nullable(),
});

/** runs/<name>/summary.json. */
export const summarySchema = z.strictObject({
  preset: z.string(),
  task: taskSchema,
  seed: wholeNumber,
  device: z.string(),
  /** Threads of the CPU device; null on other devices. */
  threads: wholeNumber.nullable(),
  data: z.strictObject({
    /** Name of the data set. */
    dataset: z.string(),
    synthetic: z.boolean(),
    studies: wholeNumber,
    discs: wholeNumber,
    skipped: z.array(z.strictObject({ path: z.string(), code: z.string(), message: z.string() })),
    /** Number of studies. */
    split: perSplit(wholeNumber),
    /** Number of graded discs. */
    classCounts: perSplit(perGrade(wholeNumber)),
  }),
  pretraining: z.strictObject({
    epochs: wholeNumber,
    trainLoss: z.array(z.number()),
    validationLoss: z.array(z.number()),
    learningRate: z.array(z.number()),
  }),
  localization,
  arms: z.array(arm),
  /** Paired bootstrap of balanced accuracy between arms, on annotated crops. */
  comparisons: z.array(comparison),
  /** Seconds per stage. */
  timing: z.record(z.string(), z.number().min(0)),
});

export type PerGrade<T> = Record<string, T>;
export type Bounds = z.output<typeof bounds>;
export type Interval = z.output<typeof interval>;
export type Proportion = z.output<typeof proportion>;
export type Metrics = z.output<typeof metrics>;
export type ArmSummary = z.output<typeof arm>;
export type LocalizationError = z.output<typeof localizationError>;
export type LocalizationSummary = z.output<typeof localization>;
export type Comparison = z.output<typeof comparison>;
export type Summary = z.output<typeof summarySchema>;
