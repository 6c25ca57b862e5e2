/**
 * A slice from any file format (DICOM, NIfTI, PNG), and the order of the slices of a series. The order follows from the
 * positions in the patient. Instance numbers are used only without geometry, because their direction varies between
 * scanners.
 */

import { normalOf, slicePosition, sortSlices } from '../dicom/geometry.js';
import type { DicomImage, Geometry, Pixels, Vector3 } from '../dicom/types.js';
import { type IntensityWindow, intensityWindow } from '../dicom/window.js';
import { SpinegradError } from '../error.js';

export interface SourceSlice {
  /** Path of the file, for messages and manifests. */
  path: string;
  instanceNumber: number | null;
  rows: number;
  columns: number;
  /** Row-major [rows, columns]; larger is brighter. */
  pixels: Pixels;
  /** Robust range of `pixels`; crops are scaled by it. */
  window: IntensityWindow;
  /** Between rows and between columns, mm. */
  pixelSpacing: readonly [number, number] | null;
  geometry: Geometry | null;
}

/** The fields that determine the order of slices. */
export type SlicePosition = Pick<SourceSlice, 'instanceNumber' | 'geometry'>;

/**
 * An image without geometry as a slice, with the window of its pixels.
 *
 * @param pixelSpacing between rows and between columns in mm, or null if unknown
 */
export function sliceOfPixels(
  path: string,
  { rows, columns, pixels }: { rows: number; columns: number; pixels: Float32Array },
  pixelSpacing: SourceSlice['pixelSpacing'],
): SourceSlice {
  const window = intensityWindow(pixels);
  return { path, instanceNumber: null, rows, columns, pixels, window, pixelSpacing, geometry: null };
}

/** The frames of a DICOM image as slices. */
export function dicomSlices(image: DicomImage): SourceSlice[] {
  const { path, instanceNumber, rows, columns, pixelSpacing } = image;
  return image.frames.map(({ pixels, window, geometry }) => ({
    path,
    instanceNumber,
    rows,
    columns,
    pixels,
    window,
    pixelSpacing,
    geometry,
  }));
}

/**
 * Sorts slices by position, from the patient's right to the left (coronal: posteriorly; axial: superiorly). Slices at
 * the same position or without geometry are sorted by instance number.
 */
export function sortSeries<T extends SlicePosition>(slices: readonly T[]): T[] {
  return sortSlices([...slices].sort((a, b) => (a.instanceNumber ?? 0) - (b.instanceNumber ?? 0)));
}

/**
 * The default canal slice: the middle of the stack. In the RSNA 2024 data, the annotated canal slice is number 9.0 +-
 * 1.6 of about 17.
 *
 * @param sorted slices in the order of `sortSeries`
 * @throws SpinegradError ERR_SERIES_EMPTY
 */
export function canalSlice<T>(sorted: readonly T[]): T {
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined)
    throw new SpinegradError('ERR_SERIES_EMPTY', 'canalSlice: the series has no slices');
  return middle;
}

/**
 * The slice `centre` and up to `count` parallel slices on each side, in ascending order of their offsets. Each position
 * occurs once, even if the series has several slices there (multi-echo).
 */
export function neighbours<T extends SlicePosition>(
  slices: readonly T[],
  centre: T,
  count: number,
): { slice: T; offset: number }[] {
  const position = ({ geometry, instanceNumber }: T) =>
    geometry === null ? (instanceNumber ?? 0) : slicePosition(geometry);
  const differ = (a: T, b: T) => Math.abs(position(a) - position(b)) > 0.1;
  const others = slices.filter((slice) => isParallel(slice, centre) && differ(slice, centre));
  const stack: T[] = [];
  for (const slice of sortSeries([centre, ...others])) {
    const previous = stack.at(-1);
    if (previous === undefined || differ(slice, previous)) stack.push(slice);
  }
  const index = stack.indexOf(centre);
  const first = Math.max(0, index - count);
  return stack.slice(first, index + count + 1).map((slice, i) => ({ slice, offset: first + i - index }));
}

/** An axis of the patient in a sagittal slice, by the side at its end. */
export type PatientAxis = 'anterior' | 'superior';

/**
 * The slice with one patient axis reversed in its geometry, so that its crops are reflected. For files whose header is wrong
 * about the orientation.
 *
 * @param side the side that is exchanged with its opposite
 */
export function reflectSlice(slice: SourceSlice, side: PatientAxis): SourceSlice {
  const { rowDirection, columnDirection, position } = slice.geometry ?? CANONICAL_GEOMETRY;
  const reflect = ([x, y, z]: Vector3): Vector3 => (side === 'anterior' ? [x, -y, z] : [x, y, -z]);
  const geometry = {
    rowDirection: reflect(rowDirection),
    columnDirection: reflect(columnDirection),
    position: reflect(position),
  };
  return { ...slice, geometry };
}

/** The assumed geometry of a slice without one: sagittal, anterior left, superior up. */
export const CANONICAL_GEOMETRY: Geometry = {
  rowDirection: [0, 1, 0],
  columnDirection: [0, 0, -1],
  position: [0, 0, 0],
};

function isParallel(a: SlicePosition, b: SlicePosition): boolean {
  if (a.geometry === null || b.geometry === null) return a.geometry === b.geometry;
  const [p, q] = [normalOf(a.geometry), normalOf(b.geometry)];
  return Math.abs(p[0] * q[0] + p[1] * q[1] + p[2] * q[2]) > 0.99;
}
