/**
 * The manifest of a ROI bank, `manifest.json`. It traces every pixel of `bank.safetensors` to the image file, the level
 * and the coordinates from which it was cut.
 */

import type { Affine, Box, Level, Point, Side } from '../anatomy.js';
import type { Geometry } from '../dicom/types.js';
import type { IntensityWindow } from '../dicom/window.js';
import type { Skipped } from '../error.js';
import type { Task } from '../tasks/task.js';
import type { Layout } from './layouts/layout.js';

export type Split = 'train' | 'validation' | 'test';

/** The origin of a row of a tensor. */
interface Origin {
  row: number;
  studyId: string;
  seriesId: string;
  /** Kind of series, as `TaskSeries.name`. */
  series: string;
  /** Number of the slice, as `ImageSlice.instanceNumber`. */
  instanceNumber: number;
  /** Path relative to the data folder. */
  file: string;
  /** In mm: between rows, between columns. */
  pixelSpacing: readonly [number, number];
  /** Origin of the spacing: the image file, the data set's table, or the distance of neighbouring discs. */
  spacingFrom: 'file' | 'table' | 'pitch';
  toImage: Affine;
  /** Range of modality values that 0 to 65535 spans. */
  window: IntensityWindow;
  split: Split;
}

/** One row of the tensor `rois` (uint16, [rows, size, size]). */
export interface RoiRecord extends Origin {
  /** Index of the disc; the rows of a disc are its slices, in one or more series. */
  disc: number;
  level: Level;
  /** Side of the patient; null for the disc itself. */
  side: Side | null;
  /** Per task, an index into its grades; null without a label. Equal in all rows of a disc. */
  grades: (number | null)[];
  /** 0 for the annotated slice; increases to the patient's left. */
  sliceOffset: number;
  /** Disc centre in pixels of the source image. */
  centrePx: Point;
  /** Disc centre in patient coordinates (LPS, mm; PS3.3 C.7.6.2); null without geometry. */
  centreMm: readonly [number, number, number] | null;
}

/** An annotated disc in pixels of a letterboxed slice. */
export interface DiscOnSlice {
  level: Level;
  centre: Point;
  box: Box | null;
}

/** One row of the tensor `slices` (uint16, [rows, size, size]): a letterboxed sagittal slice for the localizer. */
export interface SliceRecord extends Origin {
  /** Size of the source image in pixels. */
  imageSize: readonly [width: number, height: number];
  /** Position of the image in the patient as its file states it; null if it does not. */
  geometry: Geometry | null;
  /** Side of the patient that the points mark; null for the discs themselves. */
  side: Side | null;
  /** Each level at most once. */
  discs: DiscOnSlice[];
  /** Whether every visible disc is in `discs`. If not, discs above the topmost one may be visible too. */
  complete: boolean;
  /** Whether a localizer found the discs. Then no localizer is trained on the slice, and none is measured on it. */
  found: boolean;
}

export interface RoiSpec {
  /** Side of the square crop in pixels. */
  size: number;
  /** `pixels`: pixels of the source, as in the paper; `mm`: the crop spans `extentMm` for every spacing. */
  mode: 'pixels' | 'mm';
  extentMm: number;
  /** Number of neighbouring slices on each side of the annotated slice. */
  neighbours: number;
}

export interface BankManifest {
  version: 4;
  layout: Layout;
  /** Name of the data set. */
  dataset: string;
  synthetic: boolean;
  /** Absolute path of the data folder. */
  dataDir: string;
  tasks: Task[];
  /** Kinds of series from which the ROIs were cut. */
  series: string[];
  roi: RoiSpec;
  sliceSize: number;
  split: { seed: number; fractions: Record<Split, number>; folds: number | null; fold: number | null };
  studies: number;
  /** Number of discs with a grade of at least one task. */
  discs: number;
  /** Number of graded discs by task id, split and name of the grade. */
  classCounts: Record<string, Record<Split, Record<string, number>>>;
  rois: RoiRecord[];
  slices: SliceRecord[];
  /** What was left out. */
  skipped: Skipped[];
  /** What was corrected or assumed; nothing is left out. */
  notices: Skipped[];
  /** sha256 of pixels, records and settings; checkpoints store it. */
  fingerprint: string;
}

/** The pixels of a bank and their origin. */
export interface Bank {
  manifest: BankManifest;
  /** [rows of manifest.rois, roi.size, roi.size] */
  rois: Uint16Array;
  /** [rows of manifest.slices, sliceSize, sliceSize] */
  slices: Uint16Array;
}
