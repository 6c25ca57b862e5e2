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

/** A position in pixels of an image. */
type Position = readonly [x: number, y: number];

/** One line of the fine-tuning log. */
export interface FineTuningEpoch {
  /** From 1, as `bestEpoch`. */
  epoch: number;
  /** Mean loss over the epoch. */
  trainLoss: number;
  validationBalancedAccuracy: number;
  /** Null for a grade without a validation disc. */
  validationRecall: PerGrade<number | null>;
}

/** The fine-tuning of an arm as measured on one task. */
export interface FineTuningCurve {
  arm: ArmSummary['name'];
  epochs: FineTuningEpoch[];
}

/** A slice with the annotated discs of a task and the crop of each disc. */
export interface RoiExample {
  studyId: string;
  /** The canonical (anterior left, superior up) sagittal slice. */
  slice: ReportImage;
  /** Side of the crops in pixels of `slice`, to outline them; null if they are of another series. */
  roiSide: number | null;
  discs: {
    level: string;
    /** Centre in pixels of `slice`; null if it is not known there. */
    centre: Position | null;
    /** Index into the task's grades; null without a label. */
    grade: number | null;
    roi: ReportImage;
  }[];
}

/** Predictions and annotations on one series of the test set. */
export interface PredictionExample {
  studyId: string;
  slice: ReportImage;
  discs: {
    level: string;
    /** Annotated centre in pixels of `slice`; null if it is not known there. */
    truth: Position | null;
    /** Centre predicted by the localizer, in pixels of `slice`; null if it is not known there. */
    predicted: Position | null;
    truthGrade: number | null;
    /** Probability of each grade, on the crop at the predicted centre. */
    probabilities: readonly number[];
  }[];
}

/** A disc that the last arm graded wrong on the crop at the predicted centre. */
export interface GradingError {
  studyId: string;
  level: string;
  crop: ReportImage;
  truth: number;
  probabilities: readonly number[];
  /** Error of the localizer; null if it did not find the disc. */
  localizationMm: number | null;
}

/** A test disc with the maps of its predicted grade, each from 0 to 1 in the shape of the crop. */
export interface SaliencyExample {
  studyId: string;
  level: string;
  crop: ReportImage;
  gradCam: Float32Array;
  gradient: Float32Array;
  truth: number;
  probabilities: readonly number[];
}

/** A test slice with annotated and found disc centres. */
export interface LocalizationExample {
  studyId: string;
  series: string;
  slice: ReportImage;
  /** Reasons for which the localizer doubts the slice. */
  doubts: readonly string[];
  discs: {
    level: string;
    /** In pixels of `slice`. */
    annotated: Position;
    /** The found disc of the same level; null if there is none. */
    found: Position | null;
    errorMm: number | null;
  }[];
}

/** The figures of one task. */
export interface TaskFigures {
  /** In the order of the arms; may be empty. */
  curves: readonly FineTuningCurve[];
  /** At best one per grade; empty if an earlier task has the same crops. */
  roiExamples: readonly RoiExample[];
  /** A few series; may be empty. */
  predictionExamples: readonly PredictionExample[];
  /** The worst first; may be empty. */
  gradingErrors: readonly GradingError[];
  /** Of the last arm: for each grade at most one disc that was graded right and one that was not. */
  saliency: Record<'right' | 'wrong', readonly SaliencyExample[]>;
}

export interface ReportInput {
  /** Title of the page: the name of the run's folder. */
  name: string;
  summary: Summary;
  /** Terms and source of the data. */
  notice: string;
  /** What distinguishes the arms, in the order of `summary.arms`. */
  arms: readonly { name: ArmSummary['name']; description: string }[];
  /** In the order of `summary.tasks`. */
  tasks: readonly TaskFigures[];
  /** The worst first; may be empty. */
  localizationExamples: readonly LocalizationExample[];
  /** All settings of the run, printed without change. */
  config: Record<string, unknown>;
}
