/** The result of `predict`. It is written as JSON. */
import type { Level, Side } from '../anatomy.js';
import type { Skipped } from '../error.js';
import type { ModelDescription } from '../model/description.js';
import type { SliceVote } from '../model/vote.js';
import type { Oriented } from './orientation.js';
import type { NotGraded } from './targets.js';

/** The grade of a disc in one task. */
export interface TaskGrade {
  /** Id of the task. */
  task: string;
  /** Side of the patient; null if the task has none. */
  side: Side | null;
  /** Name of the grade of the largest probability. */
  grade: string;
  /** By the grade's name; calibrated on the validation patients of the training. */
  probabilities: Record<string, number>;
  /** Names of the grades of the conformal set: nominally it contains the true grade with `model.setCoverage`. */
  set: string[];
  /** How unlike the training crops the crop is, relative to the limit; above 1 the grade is doubtful. */
  novelty: number;
  /** Whether the grade should not be trusted: the place, the level or the complete image is doubtful, or the crop is novel. */
  doubtful: boolean;
  /** The slice of the crop and its centre in pixels of this slice; of a fused model that of the first series. */
  image: { series: string; file: string; instanceNumber: number | null; x: number; y: number };
}

export interface LevelPrediction {
  level: Level;
  /** Centre of the disc, in pixels of the slice on which it was found. */
  x: number;
  y: number;
  /** Of the localizer, not of the grade: probability that a disc is at the point. Null with the coordinate regression. */
  placeProbability: number | null;
  /** Of the localizer: probability that the disc is of this level. Null with the coordinate regression. */
  levelProbability: number | null;
  /** Of the localizer: root mean square distance of its views from the point. Null with the coordinate regression. */
  spreadMm: number | null;
  /** Whether the disc was not seen; its point is midway between its neighbours. */
  interpolated: boolean;
  /** Whether the place, the level or the complete image is doubtful, or a grade. */
  doubtful: boolean;
  /** One per task that grades this level, without those of `notGraded`. */
  grades: TaskGrade[];
}

/** A reason to distrust the grades of all levels or of some. */
export interface Reason {
  code: string;
  message: string;
}

export interface Prediction {
  input: string;
  slice: {
    file: string;
    instanceNumber: number | null;
    /** From 1, among the slices ordered from the patient's right to left. */
    position: number;
    of: number;
    columns: number;
    rows: number;
    /** In mm: between rows, between columns. */
    pixelSpacing: readonly [number, number];
    /** Origin of the spacing: the file or `--spacing`, or the distance of neighbouring discs, taken as 36 mm. */
    spacingFrom: 'input' | 'pitch';
  };
  /** The slices that voted on the levels, the graded one first; empty if no other slice did. */
  votes: (Pick<Prediction['slice'], 'file' | 'instanceNumber' | 'position'> & SliceVote)[];
  /** Sides of the stored slice. */
  orientation: Pick<Oriented, 'anterior' | 'superior' | 'agreesWithHeader'>;
  model: Pick<ModelDescription, 'trainedOn' | 'notice'> & {
    folder: string;
    arm: string;
    preset: string;
    /** Nominal coverage of the sets. */
    setCoverage: number;
  };
  /** Whether the grades of at least one level should not be trusted. */
  doubtful: boolean;
  doubts: Reason[];
  warnings: string[];
  skipped: Skipped[];
  /** From cranial to caudal. */
  levels: LevelPrediction[];
  /** Tasks without a grade, on one level or on all, because a series is missing or does not show the disc. */
  notGraded: NotGraded[];
  /** Levels that the tasks grade and that were not found. */
  notFound: Level[];
}
