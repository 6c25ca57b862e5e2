/**
 * Inputs and results of the evaluation: plain arrays, no tensors. A quantity that the sample does not define (AUROC
 * without a positive disc, recall of a grade that does not occur) is null here and in JSON, never NaN. Results are
 * defined as schemas, because they are stored in summary.json.
 */
import { z } from 'zod';
import { programSchema } from '../io/provenance.js';
import { taskSchema } from '../tasks/task.js';

/** What the calibration of an arm says about a disc. */
export interface DiscTrust {
  /** Temperature with which the probabilities were scaled. */
  temperature: number;
  /** Grades of the conformal set, ascending. */
  set: readonly number[];
  /** Nominal coverage of the set. */
  setCoverage: number;
  /** Novelty of the crops relative to its limit; above 1 they are unlike the training crops. */
  novelty: number;
}

/** Predictions of one arm on the test set; all arrays have one entry per disc. */
export interface Predictions {
  /** Study (patient) of each disc: the cluster of the bootstrap. */
  studyId: string[];
  level: string[];
  /** Index of the grade in the task's scale. */
  truth: number[];
  /** Probabilities of the task's grades; each row sums to 1. */
  probabilities: number[][];
  /** Undefined for discs without calibration. */
  trust?: (DiscTrust | undefined)[];
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
  /** By disc level, from cranial to caudal. There are too few discs of a level for intervals. */
  perLevel: z.record(
    z.string(),
    z.strictObject({
      discs: wholeNumber,
      /** Discs whose grade was predicted correctly. */
      correct: wholeNumber,
      balancedAccuracy: fraction,
      kappa: z.number().min(-1).max(1).nullable(),
    }),
  ),
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

/** How well probabilities fit the grades. */
export const calibrationSchema = z.strictObject({
  /** Expected calibration error. */
  ece: fraction,
  /** Mean negative log-likelihood of the true grade. */
  logLoss: z.number().min(0),
  /** With the weights of the task's grades. */
  weightedLogLoss: z.number().min(0),
});

/** What the calibration on validation patients is worth on test patients. */
const trust = z.strictObject({
  /** Null if runs with different temperatures are pooled. */
  temperature: z.number().positive().nullable(),
  /** Before and after temperature scaling. */
  calibration: z.strictObject({ before: calibrationSchema, after: calibrationSchema }),
  sets: z.strictObject({
    /** Null if runs with different ones are pooled. */
    nominal: fraction.nullable(),
    /** Discs whose set contains the true grade. */
    coverage: proportion,
    coveragePerGrade: perGrade(proportion),
    /** Mean number of grades. */
    meanSize: z.number().min(1),
    /** Discs whose set has one grade. No set is empty. */
    single: proportion,
    /** Discs whose set has all grades. */
    full: proportion,
  }),
  /** Discs whose crops are unlike the training crops. */
  novel: proportion,
});

/**
 * Metrics on crops at the disc centres of the localizer, and on crops at those of the readers. `trust` is about predicted
 * crops; null without calibration.
 */
const arm = z.strictObject({
  name: z.string(),
  predicted: metrics,
  annotated: metrics,
  trust: trust.nullable(),
});

/** Balanced accuracy of arm `a` minus that of arm `b`, on the same discs, with a paired bootstrap. */
const comparison = z.strictObject({
  a: z.string(),
  b: z.string(),
  difference: interval,
  /** Two-sided; null if the sample has too few patients. */
  p: fraction.nullable(),
});

/** The results of one task. */
const task = z.strictObject({
  task: taskSchema,
  /** Number of graded discs. */
  classCounts: perSplit(perGrade(wholeNumber)),
  arms: z.array(arm),
  /** Each arm minus each earlier arm. */
  comparisons: z.strictObject({ predicted: z.array(comparison), annotated: z.array(comparison) }),
});

const logLoss = z.number().min(0);

/** The score of the RSNA 2024 challenge: weighted log losses and their mean. */
const rsnaScore = z.strictObject({
  spinal: logLoss,
  foraminal: logLoss,
  subarticular: logLoss,
  anySevereSpinal: logLoss,
  score: logLoss,
});

const rsnaArm = z.strictObject({ name: z.string(), predicted: rsnaScore, annotated: rsnaScore });

/** Distances between annotated and found disc centres of the same level. */
const localizationError = z.strictObject({
  /** Annotated discs. */
  n: wholeNumber,
  /** Annotated discs whose level the localizer found. */
  found: wholeNumber,
  /** Median distance; a disc that was not found counts as infinitely far. Null if that is the median. */
  medianMm: z.number().nullable(),
  /** Fraction of the annotated discs whose centre was found within 5 and within 10 mm. */
  within5Mm: fraction.nullable(),
  within10Mm: fraction.nullable(),
  /** Root of the mean squared distance over the found discs. */
  rmseMm: z.number().nullable(),
  /** In pixels of the original image. */
  rmsePx: z.number().nullable(),
});

/** Errors of finding and of naming. */
const localizationSample = localizationError.extend({
  /** Distances to the nearest found disc of any level: finding discs without naming them. */
  anyLevel: localizationError.pick({ medianMm: true, within5Mm: true }),
  /** Patients whose discs all have the right level, of those with a found disc near an annotated one. */
  patientsNamed: proportion,
  /** Slices with a mean error above 5 mm (`wrong`) and the others (`right`), and how many of them the localizer doubts. */
  slices: z.strictObject({
    wrong: wholeNumber,
    wrongDoubtful: wholeNumber,
    right: wholeNumber,
    rightDoubtful: wholeNumber,
  }),
});

const localization = localizationSample.extend({
  perLevel: z.record(z.string(), localizationError),
  perSeries: z.record(z.string(), localizationSample),
});

/** A file or a line of the data, and what is wrong with it. */
const finding = z.strictObject({ path: z.string(), code: z.string(), message: z.string() });

/** runs/<name>/summary.json. */
export const summarySchema = z.strictObject({
  preset: z.string(),
  seed: wholeNumber,
  device: z.string(),
  /** Threads of the CPU device; null on other devices. */
  threads: wholeNumber.nullable(),
  /** The program that wrote the results, and when. */
  program: programSchema,
  data: z.strictObject({
    /** Layout of the data folder. */
    layout: z.string(),
    /** Name of the data set. */
    name: z.string(),
    /** Kinds of series that were graded. */
    series: z.array(z.string()),
    synthetic: z.boolean(),
    studies: wholeNumber,
    /** Number of discs with a grade of at least one task. */
    discs: wholeNumber,
    skipped: z.array(finding),
    /** What was corrected or assumed. */
    notices: z.array(finding),
    /** Number of studies. */
    split: perSplit(wholeNumber),
  }),
  pretraining: z.strictObject({
    epochs: wholeNumber,
    trainLoss: z.array(z.number()),
    validationLoss: z.array(z.number()),
    learningRate: z.array(z.number()),
    /** Mean squared distance of the two views of a validation disc, per epoch. */
    alignment: z.array(z.number()),
    /** Logarithm of the mean of exp(-2 d^2) over all pairs of validation discs, per epoch. */
    uniformity: z.array(z.number()),
    /** Balanced accuracy of the first task on the validation discs, from the embeddings of the encoder. */
    probes: z.array(z.strictObject({ epoch: wholeNumber, knn: z.number(), linear: z.number() })),
  }),
  localization,
  arms: z.array(z.strictObject({ name: z.string(), bestEpoch: wholeNumber })),
  tasks: z.array(task),
  /** Null unless the run grades all five conditions of the RSNA layout. */
  rsna: z.array(rsnaArm).nullable(),
  /** Seconds per stage. */
  timing: z.record(z.string(), z.number().min(0)),
});

export type PerGrade<T> = Record<string, T>;
export type Bounds = z.output<typeof bounds>;
export type Interval = z.output<typeof interval>;
export type Proportion = z.output<typeof proportion>;
export type Trust = z.output<typeof trust>;
export type Metrics = z.output<typeof metrics>;
export type ArmSummary = z.output<typeof arm>;
export type RsnaScore = z.output<typeof rsnaScore>;
export type RsnaArm = z.output<typeof rsnaArm>;
export type TaskSummary = z.output<typeof task>;
export type LocalizationError = z.output<typeof localizationError>;
export type LocalizationSample = z.output<typeof localizationSample>;
export type LocalizationSummary = z.output<typeof localization>;
export type Comparison = z.output<typeof comparison>;
export type Summary = z.output<typeof summarySchema>;
