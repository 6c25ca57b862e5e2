/**
 * The manifest of a ROI bank, `manifest.json`. It traces every pixel of `bank.safetensors` to the DICOM file, the level
 * and the coordinates from which it was cut.
 */

import type { Affine, Level, Point } from '../anatomy.js';
import type { IntensityWindow } from '../dicom/window.js';
import type { Skipped } from '../error.js';

export type Split = 'train' | 'validation' | 'test';

/** One row of the tensor `rois` (uint16, [rows, size, size]). */
export interface RoiRecord {
  row: number;
  /** Index of the disc; the rows of a disc are its slices. */
  disc: number;
  studyId: string;
  seriesId: string;
  instanceNumber: number;
  /** Path relative to the data folder. */
  file: string;
  level: Level;
  /** Index into the grades of the task; null without a label. */
  grade: number | null;
  /** 0 for the annotated slice; increases to the patient's left. */
  sliceOffset: number;
  /** Disc centre in pixels of the source image. */
  centrePx: Point;
  /** Disc centre in patient coordinates (LPS, mm; PS3.3 C.7.6.2); null without geometry. */
  centreMm: readonly [number, number, number] | null;
  /** Pixel Spacing (0028,0030) in mm: between rows, between columns. */
  pixelSpacing: readonly [number, number];
  toImage: Affine;
  /** Range of modality values that 0 to 65535 spans. */
  window: IntensityWindow;
  split: Split;
}

/** One row of the tensor `slices` (uint16, [rows, size, size]): a letterboxed slice for the localizer. */
export interface SliceRecord {
  row: number;
  studyId: string;
  seriesId: string;
  instanceNumber: number;
  file: string;
  /** Size of the source image in pixels. */
  imageSize: readonly [width: number, height: number];
  pixelSpacing: readonly [number, number];
  toImage: Affine;
  /** Range of modality values that 0 to 65535 spans. */
  window: IntensityWindow;
  /** Disc centres in pixels of the letterboxed slice; null without an annotation. */
  centres: Record<Level, Point | null>;
  split: Split;
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
  version: 2;
  source: 'phantom' | 'rsna';
  synthetic: boolean;
  /** Absolute path of the data folder. */
  dataDir: string;
  /** Id of the task. */
  task: string;
  roi: RoiSpec;
  sliceSize: number;
  split: { seed: number; fractions: Record<Split, number>; folds: number | null; fold: number | null };
  studies: number;
  /** Number of graded discs. */
  discs: number;
  /** Number of graded discs by the name of the grade. */
  classCounts: Record<Split, Record<string, number>>;
  rois: RoiRecord[];
  slices: SliceRecord[];
  skipped: Skipped[];
  /** sha256 of pixels, records and settings; checkpoints store it. */
  fingerprint: string;
}
