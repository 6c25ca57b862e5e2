/**
 * What the pipeline passes on: the manifest of a ROI bank.
 * A bank is a folder of `bank.safetensors` (uint16 pixels) and `manifest.json` (this file's `BankManifest`), so
 * that every pixel can be traced to the DICOM file, the level and the coordinates it was cut from.
 */

import type { Affine, Level, Point } from '../anatomy.js';
import type { IntensityWindow } from '../dicom/window.js';
import type { Skipped } from '../error.js';

export type Split = 'train' | 'validation' | 'test';

/** One row of the tensor `rois` (uint16, [rows, size, size]). */
export interface RoiRecord {
  row: number;
  /** Index of the disc: rows with the same number show the same disc (neighbouring slices). */
  disc: number;
  studyId: string;
  seriesId: string;
  instanceNumber: number;
  /** Path relative to the data folder. */
  file: string;
  level: Level;
  /** Index into the task's grades; null without a label. */
  grade: number | null;
  /** 0 for the annotated slice, -1 and 1 for its neighbours along the slice axis, and so on. */
  sliceOffset: number;
  /** Disc centre in pixels of the source image. */
  centrePx: Point;
  /** Disc centre in patient coordinates (LPS, mm; PS3.3 C.7.6.2), or null where the file has no geometry. */
  centreMm: readonly [number, number, number] | null;
  /** (row spacing, column spacing) in mm, (0028,0030). */
  pixelSpacing: readonly [number, number];
  toImage: Affine;
  /** 0..65535 of the crop spans this range of the rescaled source values. */
  window: IntensityWindow;
  split: Split;
}

/** One row of the tensor `slices` (uint16, [rows, size, size]): a whole slice, letterboxed, for the localizer. */
export interface SliceRecord {
  row: number;
  studyId: string;
  seriesId: string;
  instanceNumber: number;
  file: string;
  /** Columns and rows of the source image. */
  imageSize: readonly [width: number, height: number];
  pixelSpacing: readonly [number, number];
  toImage: Affine;
  /** 0..65535 of the crop spans this range of the rescaled source values. */
  window: IntensityWindow;
  /** Disc centres in pixels of this row (the letterboxed slice); null where the level has no annotation. */
  centres: Record<Level, Point | null>;
  split: Split;
}

export interface RoiSpec {
  /** Side of the square crop in pixels. */
  size: number;
  /** `pixels`: native pixels (the paper's 96x96); `mm`: the crop spans `extentMm` whatever the spacing. */
  mode: 'pixels' | 'mm';
  extentMm: number;
  /** Neighbouring slices on each side of the annotated one that are cut too. */
  neighbours: number;
}

export interface BankManifest {
  version: 2;
  source: 'phantom' | 'rsna';
  synthetic: boolean;
  /** Absolute path of the data folder the bank was cut from. */
  dataDir: string;
  /** Id of the task that the bank was cut for. */
  task: string;
  roi: RoiSpec;
  sliceSize: number;
  split: { seed: number; fractions: Record<Split, number>; folds: number | null; fold: number | null };
  studies: number;
  /** Graded discs (not rows). */
  discs: number;
  /** Graded discs by the grade's name. */
  classCounts: Record<Split, Record<string, number>>;
  rois: RoiRecord[];
  slices: SliceRecord[];
  skipped: Skipped[];
  /** sha256 of the pixels and of the records; checkpoints carry it. */
  fingerprint: string;
}
