import type { ArmSummary, PerGrade, Summary } from '../evaluation/types.js';

/** Input of the report: the run's summary, its training curves and a few example images. */

/**
 * A single-channel image, row-major, 0 black to 65535 white, drawn with square pixels. Rows of the ROI bank
 * (`rois`, `slices`) have this form.
 */
export interface ReportImage {
  pixels: Uint16Array;
  width: number;
  height: number;
}

/** One line of the fine-tuning log. */
export interface FineTuningEpoch {
  /** From 1, as `ArmSummary.bestEpoch`. */
  epoch: number;
  /** Mean focal loss over the epoch. */
  trainLoss: number;
  validationBalancedAccuracy: number;
  /** Null for a grade without a validation disc. */
  validationRecall: PerGrade<number | null>;
}

export interface FineTuningCurve {
  arm: ArmSummary['name'];
  epochs: FineTuningEpoch[];
}

/** Figure 1: a slice with its annotated discs and the crop of each disc. */
export interface RoiExample {
  studyId: string;
  /** The canonical (anterior left, superior up) sagittal slice. */
  slice: ReportImage;
  /** Side of the crops in pixels of `slice`, to outline them; null to draw no outlines. */
  roiSide: number | null;
  discs: {
    level: string;
    /** Disc centre in pixels of `slice`. */
    centre: readonly [x: number, y: number];
    /** Index into the task's grades; null without a label. */
    grade: number | null;
    roi: ReportImage;
  }[];
}

/** Figure 4: predictions and annotations on one series of the test set. */
export interface PredictionExample {
  studyId: string;
  slice: ReportImage;
  discs: {
    level: string;
    /** Annotated centre in pixels of `slice`; null if the level is not annotated. */
    truth: readonly [x: number, y: number] | null;
    /** Centre predicted by the localizer, in pixels of `slice`. */
    predicted: readonly [x: number, y: number];
    truthGrade: number | null;
    /** Probability of each grade, on the crop at the predicted centre. */
    probabilities: readonly number[];
  }[];
}

export interface ReportInput {
  /** Title of the page: the name of the run's folder. */
  name: string;
  summary: Summary;
  /** What distinguishes the arms, in the order of `summary.arms`. */
  arms: readonly { name: ArmSummary['name']; description: string }[];
  finetuning: FineTuningCurve[];
  /** At best one per grade; may be empty. */
  roiExamples: RoiExample[];
  /** Two to four series; may be empty. */
  predictionExamples: PredictionExample[];
  /** All settings of the run, printed without change. */
  config: Record<string, unknown>;
}
