/**
 * A decoded DICOM image as the rest of the project sees it: modality values (after rescale) and what is known
 * of where they lie in the patient.
 */

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

export interface DicomFrame {
  /** Row-major modality values: rescaled; MONOCHROME1 is inverted so that larger is always brighter. */
  pixels: Float32Array;
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
