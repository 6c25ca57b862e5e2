/**
 * A decoded DICOM image as the rest of the project sees it: modality values (after rescale) and what is known
 * of where they lie in the patient.
 */

import type { IntensityWindow } from './window.js';

/** A unit vector or a point in patient coordinates: LPS (x to the left, y to the back, z to the head), mm. */
export type Vector3 = readonly [number, number, number];

/** Image plane of one frame (PS3.3 C.7.6.2). */
export interface Geometry {
  /** Direction in which the column index grows (first triple of (0020,0037)). */
  rowDirection: Vector3;
  /** Direction in which the row index grows (second triple of (0020,0037)). */
  columnDirection: Vector3;
  /** Centre of the first pixel, (0020,0032). */
  position: Vector3;
}

export type Plane = 'sagittal' | 'coronal' | 'axial' | 'oblique';

export type Pixels = Float32Array | Uint16Array | Uint8Array;

export interface DicomFrame {
  /**
   * Row-major modality values: rescaled; MONOCHROME1 is inverted so that larger is always brighter. Where the file holds
   * just these, they are its own integers.
   */
  pixels: Pixels;
  window: IntensityWindow;
  geometry: Geometry | null;
}

export interface DicomImage {
  path: string;
  transferSyntax: string;
  studyInstanceUid: string | null;
  seriesInstanceUid: string | null;
  instanceNumber: number | null;
  modality: string | null;
  seriesDescription: string | null;
  rows: number;
  columns: number;
  /** (row spacing, column spacing) in mm, (0028,0030); null where the file has none. */
  pixelSpacing: readonly [number, number] | null;
  /** Spacing between slices or slice thickness in mm, (0018,0088) else (0018,0050). */
  sliceSpacing: number | null;
  frames: DicomFrame[];
}

/** The tags of interest of a file, read without its pixels. Numbers in the units of DICOM (mm, ms). */
export interface DicomHeader {
  path: string;
  transferSyntax: string;
  sopClassUid: string | null;
  studyInstanceUid: string | null;
  seriesInstanceUid: string | null;
  instanceNumber: number | null;
  modality: string | null;
  seriesDescription: string | null;
  bodyPart: string | null;
  manufacturer: string | null;
  patientPosition: string | null;
  echoTime: number | null;
  repetitionTime: number | null;
  inversionTime: number | null;
  hasPixelData: boolean;
  rows: number | null;
  columns: number | null;
  frames: number;
  photometricInterpretation: string | null;
  samplesPerPixel: number;
  bitsAllocated: number | null;
  bitsStored: number | null;
  highBit: number | null;
  signed: boolean;
  pixelSpacing: readonly [number, number] | null;
  sliceSpacing: number | null;
  /** Of the first frame. */
  geometry: Geometry | null;
}

export interface ReadOptions {
  /** False keeps the values of MONOCHROME1 as they are stored (larger is darker). Default true. */
  invertMonochrome1?: boolean;
}
