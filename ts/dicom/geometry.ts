/**
 * The position of an image in the patient, from Image Orientation (Patient) (0020,0037) and Image Position (Patient)
 * (0020,0032) (PS3.3 C.7.6.2.1.1). Coordinates are LPS in mm: x increases to the patient's left, y posteriorly, z
 * superiorly. The order of rows, columns and slices is never assumed: there are files with anterior on the right, and
 * files whose slices are numbered from left to right.
 */
import type { Affine } from '../anatomy.js';
import type { Geometry, Plane, Vector3 } from './types.js';

/** Minimum cosine between the normal and a patient axis for a named plane (37 degrees). */
const OBLIQUITY_COSINE = 0.8;

/** Maximum deviation from orthonormal vectors. The decimal strings of a header are rounded. */
export const ORTHONORMAL_TOLERANCE = 0.01;

/**
 * The image plane from the values of Image Orientation (Patient) (0020,0037) and Image Position (Patient) (0020,0032);
 * null unless there are three coordinates and six direction cosines of two perpendicular unit vectors.
 */
export function geometryFrom(
  orientation: readonly number[] | null,
  position: readonly number[] | null,
): Geometry | null {
  if (orientation?.length !== 6 || position?.length !== 3) return null;
  const row = normalized(orientation.slice(0, 3));
  const column = normalized(orientation.slice(3, 6));
  if (row === null || column === null || Math.abs(dot(row, column)) > ORTHONORMAL_TOLERANCE) return null;
  return { rowDirection: row, columnDirection: column, position: position as unknown as Vector3 };
}

/** Unit normal of the image plane: the cross product of row direction and column direction. */
export function normalOf(geometry: Geometry): Vector3 {
  const [a, b, c] = geometry.rowDirection;
  const [d, e, f] = geometry.columnDirection;
  return [b * f - c * e, c * d - a * f, a * e - b * d];
}

/** The named plane whose axis is within 37 degrees of the normal, else `oblique`. */
export function planeOf(geometry: Geometry): Plane {
  const axis = dominantAxis(normalOf(geometry));
  if (Math.abs(normalOf(geometry)[axis]) < OBLIQUITY_COSINE) return 'oblique';
  return (['sagittal', 'coronal', 'axial'] as const)[axis];
}

/**
 * Position in mm along the slice axis. The axis is the normal, with the sign for which positions increase to the
 * patient's left (sagittal), posteriorly (coronal) or superiorly (axial).
 */
export function slicePosition(geometry: Geometry): number {
  const normal = normalOf(geometry);
  return dot(geometry.position, normal) * (normal[dominantAxis(normal)] < 0 ? -1 : 1);
}

/** Sorts slices by `slicePosition`; the first sagittal slice is the rightmost one. */
export function sortSlices<T extends { geometry: Geometry | null }>(slices: readonly T[]): T[] {
  return slices
    .map((slice) => ({ slice, position: slice.geometry === null ? 0 : slicePosition(slice.geometry) }))
    .sort((a, b) => a.position - b.position)
    .map(({ slice }) => slice);
}

/**
 * Patient coordinates in mm of the image point (x, y) (PS3.3 equation C.7.6.2.1-1).
 *
 * @param spacing Pixel Spacing (0028,0030): between rows, between columns, in mm
 * @param x column, in pixels from the centre of the first pixel
 * @param y row, in pixels from the centre of the first pixel
 */
export function toPatient(
  geometry: Geometry,
  spacing: readonly [number, number],
  x: number,
  y: number,
): Vector3 {
  const { rowDirection: r, columnDirection: c, position: p } = geometry;
  const right = x * spacing[1];
  const down = y * spacing[0];
  return [
    p[0] + r[0] * right + c[0] * down,
    p[1] + r[1] * right + c[1] * down,
    p[2] + r[2] * right + c[2] * down,
  ];
}

/** Image point, in pixels, of the orthogonal projection of a patient point (mm) onto the image plane. */
export function toPixel(
  geometry: Geometry,
  spacing: readonly [number, number],
  point: Vector3,
): readonly [x: number, y: number] {
  const offset: Vector3 = [
    point[0] - geometry.position[0],
    point[1] - geometry.position[1],
    point[2] - geometry.position[2],
  ];
  return [
    dot(offset, geometry.rowDirection) / spacing[1],
    dot(offset, geometry.columnDirection) / spacing[0],
  ];
}

export interface CanonicalOrientation {
  /** Maps the canonical pixel (u, v) to the image pixel (x, y). */
  toImage: Affine;
  /** Size of the canonical image. */
  width: number;
  height: number;
  /** Whether rows and columns, and therefore their spacings, are swapped. */
  transposed: boolean;
}

/** Patient directions in which u and v of a canonical image increase, as [axis, sign]. */
const CANONICAL_AXES = {
  sagittal: { u: [1, 1], v: [2, -1] },
  coronal: { u: [0, 1], v: [2, -1] },
  axial: { u: [0, 1], v: [1, 1] },
} as const;

/**
 * The flip or transposition that brings an image of `columns` x `rows` pixels into the radiological view. Sagittal:
 * anterior left, superior up. Coronal: the patient's left on the right, superior up. Axial: the patient's left on the
 * right, anterior up. An oblique image is treated as the nearest plane.
 */
export function canonicalOrientation(
  geometry: Geometry,
  columns: number,
  rows: number,
): CanonicalOrientation {
  const plane = (['sagittal', 'coronal', 'axial'] as const)[dominantAxis(normalOf(geometry))];
  const [uAxis, uSign] = CANONICAL_AXES[plane].u;
  const [vAxis, vSign] = CANONICAL_AXES[plane].v;
  const { rowDirection: r, columnDirection: c } = geometry;
  const transposed = Math.abs(c[uAxis]) + Math.abs(r[vAxis]) > Math.abs(r[uAxis]) + Math.abs(c[vAxis]);
  if (transposed) {
    const flipX = r[vAxis] * vSign < 0;
    const flipY = c[uAxis] * uSign < 0;
    const toImage: Affine = [
      0,
      flipX ? -1 : 1,
      flipX ? columns - 1 : 0,
      flipY ? -1 : 1,
      0,
      flipY ? rows - 1 : 0,
    ];
    return { toImage, width: rows, height: columns, transposed };
  }
  const flipX = r[uAxis] * uSign < 0;
  const flipY = c[vAxis] * vSign < 0;
  const toImage: Affine = [
    flipX ? -1 : 1,
    0,
    flipX ? columns - 1 : 0,
    0,
    flipY ? -1 : 1,
    flipY ? rows - 1 : 0,
  ];
  return { toImage, width: columns, height: rows, transposed };
}

function dominantAxis(vector: Vector3): 0 | 1 | 2 {
  const [x, y, z] = vector.map(Math.abs) as [number, number, number];
  if (x >= y && x >= z) return 0;
  return y >= z ? 1 : 2;
}

function normalized(vector: readonly number[]): Vector3 | null {
  const length = Math.hypot(...vector);
  if (!(Math.abs(length - 1) <= ORTHONORMAL_TOLERANCE)) return null;
  return vector.map((value) => value / length) as unknown as Vector3;
}

function dot(a: Vector3, b: Vector3): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}
