/** What evaluation takes and gives: plain arrays, no tensors. */

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

export interface Interval {
  value: number;
  low: number;
  high: number;
}

export interface Metrics {
  balancedAccuracy: Interval;
  recall: { normal: number; moderate: number; severe: number };
  severeToNormal: { k: number; n: number; rate: number; low: number; high: number };
  quadraticKappa: number;
  auroc: number;
  auprc: number;
  ece: number;
  rsnaLogLoss: number;
  /** Rows: truth; columns: prediction. */
  confusion: number[][];
}

export interface ArmSummary {
  name: 'scratch' | 'frozen' | 'contrastive';
  bestEpoch: number;
  annotated: Metrics;
  predicted: Metrics;
}

/** runs/<name>/summary.json. */
export interface Summary {
  preset: string;
  seed: number;
  device: string;
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
  localization: { rmsePx: number; rmseMm: number; perLevel: Record<string, { rmsePx: number; rmseMm: number; n: number }> };
  arms: ArmSummary[];
  /** Paired bootstrap of balanced accuracy between arms, on annotated crops. */
  comparisons: { a: string; b: string; difference: Interval; p: number }[];
  /** Seconds per stage. */
  timing: Record<string, number>;
}
