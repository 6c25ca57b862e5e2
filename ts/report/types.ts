import type { ArmSummary, Recall, Summary } from '../evaluation/types.js';

/** What the report is drawn from: the run's summary, its curves, and a few images to look at. */

/**
 * A single-channel image, row-major, 0 black to 65535 white, drawn with square pixels. Rows of the ROI bank
 * (`rois`, `slices`) have this form as they are.
 */
export interface ReportImage {
  pixels: Uint16Array;
  width: number;
  height: number;
}

/** One line of the fine-tuning log. */
export interface FineTuningEpoch {
  /** Counted from 1, as `ArmSummary.bestEpoch`. */
  epoch: number;
  /** Mean focal loss over the epoch. */
  trainLoss: number;
  validationBalancedAccuracy: number;
  /** Null for a grade that validation does not hold. */
  validationRecall: Recall;
}

export interface FineTuningCurve {
  arm: ArmSummary['name'];
  epochs: FineTuningEpoch[];
}

/** Figure 1: a slice with its five annotated discs, and the crop of each. */
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
    /** Null for a disc without a label. */
    grade: 0 | 1 | 2 | null;
    roi: ReportImage;
  }[];
}

/** Figure 4: what the model says about a series of the test set, beside what the readers said. */
export interface PredictionExample {
  studyId: string;
  slice: ReportImage;
  discs: {
    level: string;
    /** Annotated centre in pixels of `slice`; null where there is none. */
    truth: readonly [x: number, y: number] | null;
    /** Centre found by the localizer, in pixels of `slice`. */
    predicted: readonly [x: number, y: number];
    truthGrade: 0 | 1 | 2 | null;
    /** Normal, moderate, severe, on the crop at the predicted centre. */
    probabilities: readonly number[];
  }[];
}

export interface ReportInput {
  /** The run's name, usually that of its folder; the title of the page. */
  name: string;
  summary: Summary;
  finetuning: FineTuningCurve[];
  /** Best one per grade; may be empty. */
  roiExamples: RoiExample[];
  /** Two to four series; may be empty. */
  predictionExamples: PredictionExample[];
  /** Every hyperparameter of the run, printed as it is. */
  config: Record<string, unknown>;
}
