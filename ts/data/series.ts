/**
 * One slice as the pipeline sees it, whatever file it came from (DICOM, NIfTI, PNG), and the order of the slices
 * of a series. The order is taken from the positions in the patient; instance numbers are used only where a
 * file has no geometry, since scanners and exports number slices from either side.
 */

import { normalOf, slicePosition, sortSlices } from '../dicom/geometry.js';
import type { DicomImage, Geometry, Pixels, Vector3 } from '../dicom/types.js';
import type { IntensityWindow } from '../dicom/window.js';
import { SpinegradError } from '../error.js';

export interface SourceSlice {
  /** The file, for messages and manifests. */
  path: string;
  instanceNumber: number | null;
  rows: number;
  columns: number;
  /** Row-major values; larger is brighter. */
  pixels: Pixels;
  /** The robust range of its values, by which crops are scaled. */
  window: IntensityWindow;
  /** (row spacing, column spacing) in mm. */
  pixelSpacing: readonly [number, number] | null;
  geometry: Geometry | null;
}

/** What ordering needs to know of a slice: a DICOM header is enough. */
export type SlicePlace = Pick<SourceSlice, 'instanceNumber' | 'geometry'>;

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
 * The slices in the order of their positions, from the patient's right to the left (front to back, feet to
 * head); slices at one place, or without geometry, by instance number.
 */
export function sortSeries<T extends SlicePlace>(slices: readonly T[]): T[] {
  return sortSlices([...slices].sort((a, b) => (a.instanceNumber ?? 0) - (b.instanceNumber ?? 0)));
}

/**
 * The slice that shows the spinal canal when nobody says which: the middle of the stack. In the RSNA 2024 data
 * the annotated canal slice is number 9.0 +- 1.6 of about 17.
 *
 * @param sorted slices in the order of `sortSeries`
 * @throws SpinegradError ERR_SERIES_EMPTY
 */
export function canalSlice<T>(sorted: readonly T[]): T {
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new SpinegradError('ERR_SERIES_EMPTY', 'canalSlice: found no slices');
  return middle;
}

/**
 * The slice and up to `count` slices on each side of it, with their offsets (negative first): those parallel to
 * it, one for each position (a multi-echo series shows a position more than once).
 */
export function neighbours<T extends SlicePlace>(
  slices: readonly T[],
  centre: T,
  count: number,
): { slice: T; offset: number }[] {
  const place = ({ geometry, instanceNumber }: T) =>
    geometry === null ? (instanceNumber ?? 0) : slicePosition(geometry);
  const elsewhere = (a: T, b: T) => Math.abs(place(a) - place(b)) > 0.1;
  const others = slices.filter((slice) => isParallel(slice, centre) && elsewhere(slice, centre));
  const stack: T[] = [];
  for (const slice of sortSeries([centre, ...others])) {
    const before = stack.at(-1);
    if (before === undefined || elsewhere(slice, before)) stack.push(slice);
  }
  const at = stack.indexOf(centre);
  const from = Math.max(0, at - count);
  return stack.slice(from, at + count + 1).map((slice, i) => ({ slice, offset: from + i - at }));
}

/**
 * The same pixels with a geometry that says the opposite of front and back: crops of it come out mirrored. For
 * files whose header is wrong about the side on which anterior lies; they exist, so what the pixels show decides.
 */
export function swapFrontAndBack(slice: SourceSlice): SourceSlice {
  const { rowDirection, columnDirection, position } = slice.geometry ?? CANONICAL_GEOMETRY;
  const opposite = ([x, y, z]: Vector3): Vector3 => [x, -y, z];
  const geometry = {
    rowDirection: opposite(rowDirection),
    columnDirection: opposite(columnDirection),
    position: opposite(position),
  };
  return { ...slice, geometry };
}

/** The geometry of a slice whose file has none: sagittal, anterior left, superior up. */
export const CANONICAL_GEOMETRY: Geometry = {
  rowDirection: [0, 1, 0],
  columnDirection: [0, 0, -1],
  position: [0, 0, 0],
};

function isParallel(a: SlicePlace, b: SlicePlace): boolean {
  if (a.geometry === null || b.geometry === null) return a.geometry === b.geometry;
  const [p, q] = [normalOf(a.geometry), normalOf(b.geometry)];
  return Math.abs(p[0] * q[0] + p[1] * q[1] + p[2] * q[2]) > 0.99;
}
