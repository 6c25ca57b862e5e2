/**
 * What evaluation takes and gives: plain arrays, no tensors. A quantity that the sample does not define (AUROC
 * without a severe disc, recall of a grade that does not occur) is null, here and in JSON, never NaN.
 */

/** Test-set predictions of one arm; all arrays have one entry a disc. */
export interface Predictions {
  /** Study (patient) of each disc: the cluster of the bootstrap. */
  studyId: string[];
  level: string[];
  /** 0 normal, 1 moderate, 2 severe. */
  truth: number[];
  /** Probabilities of the three grades; each row sums to 1. */
  probabilities: number[][];
}

/** Bounds of a 95 % interval. */
export interface Bounds {
  low: number;
  high: number;
}

/** A number with its 95 % interval; the bounds are null where too few patients stand behind it. */
export interface Interval {
  value: number;
  low: number | null;
  high: number | null;
}

export interface Recall {
  normal: number | null;
  moderate: number | null;
  severe: number | null;
}

/** k of n with the Wilson interval of the rate; the rate and its bounds are null when n is 0. */
export interface Proportion {
  k: number;
  n: number;
  rate: number | null;
  low: number | null;
  high: number | null;
}

export interface Metrics {
  /** Patients with at least one disc of the grade, and all of them. */
  patients: { normal: number; moderate: number; severe: number; all: number };
  /** Over the grades that occur in the truth. */
  balancedAccuracy: Interval;
  recall: Recall;
  /** Severe discs that were called normal, of all severe discs. */
  severeToNormal: Proportion;
  quadraticKappa: number | null;
  /** Severe against the rest, by the probability of severe. */
  auroc: number | null;
  auprc: number | null;
  ece: number;
  rsnaLogLoss: number;
  /** Rows: truth; columns: prediction. */
  confusion: number[][];
  /** 95 % bootstrap intervals of the numbers above; null where the number itself is, and with too few patients. */
  intervals: Record<
    | 'recallNormal'
    | 'recallModerate'
    | 'recallSevere'
    | 'quadraticKappa'
    | 'auroc'
    | 'auprc'
    | 'ece'
    | 'rsnaLogLoss',
    Bounds | null
  >;
}

export interface ArmSummary {
  name: 'scratch' | 'frozen' | 'contrastive';
  bestEpoch: number;
  annotated: Metrics;
  predicted: Metrics;
}

/** Distances between predicted and annotated disc centres; null where no centre could be compared. */
export interface LocalizationError {
  /** Root of the mean squared Euclidean distance, in pixels of the original image. */
  rmsePx: number | null;
  rmseMm: number | null;
  /** Discs compared. */
  n: number;
  /** Share of discs within 5 and within 10 mm of the annotation. */
  within5Mm: number | null;
  within10Mm: number | null;
}

export interface LocalizationSummary extends LocalizationError {
  perLevel: Record<string, LocalizationError>;
}

/** Balanced accuracy of arm `a` minus that of arm `b`, on the same discs, with a paired bootstrap. */
export interface Comparison {
  a: string;
  b: string;
  difference: Interval;
  /** Two-sided; null with too few patients. */
  p: number | null;
}

/** runs/<name>/summary.json. */
export interface Summary {
  preset: string;
  seed: number;
  device: string;
  /** Of the CPU device; null on others. */
  threads: number | null;
  data: {
    source: 'phantom' | 'rsna';
    synthetic: boolean;
    studies: number;
    discs: number;
    skipped: { path: string; code: string; message: string }[];
    split: Record<'train' | 'validation' | 'test', number>;
    classCounts: Record<'train' | 'validation' | 'test', Record<'normal' | 'moderate' | 'severe', number>>;
  };
  pretraining: { epochs: number; trainLoss: number[]; validationLoss: number[]; learningRate: number[] };
  localization: LocalizationSummary;
  arms: ArmSummary[];
  /** Paired bootstrap of balanced accuracy between arms, on annotated crops. */
  comparisons: Comparison[];
  /** Seconds per stage. */
  timing: Record<string, number>;
}
