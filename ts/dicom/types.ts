/** A decoded DICOM image: modality values and their position in the patient. */
import type { IntensityWindow } from './window.js';

/** A unit vector, or a point in mm, in patient coordinates (LPS: left, posterior, superior). */
export type Vector3 = readonly [number, number, number];

/** Image plane of one frame (PS3.3 C.7.6.2). */
export interface Geometry {
  /** Direction of increasing column index: first triple of Image Orientation (Patient) (0020,0037). */
  rowDirection: Vector3;
  /** Direction of increasing row index: second triple of (0020,0037). */
  columnDirection: Vector3;
  /** Centre of the first pixel in mm: Image Position (Patient) (0020,0032). */
  position: Vector3;
}

export type Plane = 'sagittal' | 'coronal' | 'axial' | 'oblique';

export type Pixels = Float32Array | Uint16Array | Uint8Array;

export interface DicomFrame {
  /**
   * Modality values, row-major. MONOCHROME1 is inverted, so that larger is brighter. They are integers if the file
   * stores them as they are, else float32.
   */
  pixels: Pixels;
  /** 0.5th to 99.5th percentile of `pixels`. */
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
  /** Pixel Spacing (0028,0030) in mm: between rows, between columns. */
  pixelSpacing: readonly [number, number] | null;
  /** Spacing Between Slices (0018,0088), else Slice Thickness (0018,0050), in mm. */
  sliceSpacing: number | null;
  frames: DicomFrame[];
}

/** Attributes of a file, read without its pixels; null if absent. Lengths are in mm, times in ms. */
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
  /** Image plane of the first frame. */
  geometry: Geometry | null;
}

export interface ReadOptions {
  /** Whether MONOCHROME1 is inverted, so that larger is brighter; default true. */
  invertMonochrome1?: boolean;
}
