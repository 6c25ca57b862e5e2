/**
 * Where an image lies in the patient. Everything is derived from ImageOrientationPatient and
 * ImagePositionPatient (PS3.3 C.7.6.2.1.1), in LPS: x grows to the patient's left, y to the back, z to the head.
 * Nothing about the order of rows, columns or slices is assumed: real files do hold the anterior side on the
 * right, or the slices from left to right.
 */
import type { Affine } from '../anatomy.js';
import type { Geometry, Plane, Vector3 } from './types.js';

/** The least cosine between the normal and a patient axis for a plane to bear that axis' name (37 degrees). */
const OBLIQUITY_COSINE = 0.8;

/** Unit vectors may be off by rounding of the decimal strings; more than this and the header is not believed. */
const ORTHONORMAL_TOLERANCE = 0.01;

/**
 * Builds a geometry from the values of (0020,0037) and (0020,0032); null unless there are six direction cosines
 * that form two perpendicular unit vectors, and three finite coordinates.
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

/** Unit normal of the image plane: row direction x column direction. */
export function normalOf(geometry: Geometry): Vector3 {
  const [a, b, c] = geometry.rowDirection;
  const [d, e, f] = geometry.columnDirection;
  return [b * f - c * e, c * d - a * f, a * e - b * d];
}

export function planeOf(geometry: Geometry): Plane {
  const axis = dominantAxis(normalOf(geometry));
  if (Math.abs(normalOf(geometry)[axis]) < OBLIQUITY_COSINE) return 'oblique';
  return (['sagittal', 'coronal', 'axial'] as const)[axis];
}

/**
 * Position in mm along the slice axis, which is the normal turned so that it grows to the patient's LEFT on
 * sagittal images, to the back on coronal and to the head on axial ones, whatever the order of the files.
 */
export function slicePosition(geometry: Geometry): number {
  const normal = normalOf(geometry);
  return dot(geometry.position, normal) * (normal[dominantAxis(normal)] < 0 ? -1 : 1);
}

/** Sorts slices by `slicePosition`: the first of a sagittal stack is the one furthest to the patient's right. */
export function sortSlices<T extends { geometry: Geometry | null }>(slices: readonly T[]): T[] {
  return slices
    .map((slice) => ({ slice, at: slice.geometry === null ? 0 : slicePosition(slice.geometry) }))
    .sort((a, b) => a.at - b.at)
    .map(({ slice }) => slice);
}

/**
 * Patient coordinates (mm) of the image point (x, y), in pixels from the centre of the first pixel
 * (PS3.3 equation C.7.6.2.1-1). `spacing` is PixelSpacing: between rows, between columns.
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

/** Image point (x, y) in pixels of the orthogonal projection of a patient point (mm) onto the image plane. */
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
  /** Canonical pixel (u, v) to image pixel (x, y). */
  toImage: Affine;
  /** Size of the canonical image. */
  width: number;
  height: number;
  /** True where rows and columns change places: spacing does too. */
  transposed: boolean;
}

/** Patient directions in which u and v grow in a canonical image, as (axis, sign). */
const CANONICAL_AXES = {
  sagittal: { u: [1, 1], v: [2, -1] },
  coronal: { u: [0, 1], v: [2, -1] },
  axial: { u: [0, 1], v: [1, 1] },
} as const;

/**
 * How to flip or transpose an image of `columns` x `rows` pixels so that it is seen as radiologists do. On
 * sagittal images anterior is LEFT and superior is UP; coronal and axial images have the patient's left on the
 * right, superior or anterior up. An oblique image takes the plane nearest to it.
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
