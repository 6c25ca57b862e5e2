/** Finds a patient point on the slices of another series. */
import type { Point } from '../anatomy.js';
import { normalOf, toPixel } from '../dicom/geometry.js';
import type { Vector3 } from '../dicom/types.js';
import type { ImageSlice } from './images.js';
import type { SourceSlice } from './series.js';

/** Maximum distance of the point from the slice in mm: about a slice thickness. */
export const MAX_DISTANCE_MM = 6;

export interface Placed {
  entry: ImageSlice;
  /** In pixels of the slice. */
  centre: Point;
}

/** Null for a slice that cannot be used. */
type Read = (entry: ImageSlice) => Promise<SourceSlice | null>;

/** Reads the pixels and the spacing of the file. */
const readFile: Read = (entry) => entry.read();

/**
 * The slice nearest to a patient point whose image contains the projection of the point; null if there is none within
 * MAX_DISTANCE_MM, or if the slices have no geometry or pixel spacing.
 *
 * @param point LPS, mm
 */
export async function placeOn(
  stack: readonly ImageSlice[],
  point: Vector3,
  read = readFile,
): Promise<Placed | null> {
  const near = byDistance(stack, point).filter(({ distance }) => distance <= MAX_DISTANCE_MM);
  for (const { entry, geometry } of near) {
    const slice = await read(entry);
    if (slice === null || slice.pixelSpacing === null) continue;
    const { pixelSpacing, columns, rows } = slice;
    const [x, y] = toPixel(geometry, pixelSpacing, point);
    if (x >= 0 && y >= 0 && x <= columns - 1 && y <= rows - 1) return { entry, centre: [x, y] };
  }
  return null;
}

/**
 * The slice nearest to a patient point at any distance, and the projection of the point, which may be outside the image; null if
 * no slice has geometry and pixel spacing.
 */
export async function nearestOn(
  stack: readonly ImageSlice[],
  point: Vector3,
  read = readFile,
): Promise<Placed | null> {
  for (const { entry, geometry } of byDistance(stack, point)) {
    const pixelSpacing = (await read(entry))?.pixelSpacing ?? null;
    if (pixelSpacing !== null) return { entry, centre: toPixel(geometry, pixelSpacing, point) };
  }
  return null;
}

/** The slices that have a geometry, and their distances from a point in mm, the nearest first. */
function byDistance(stack: readonly ImageSlice[], point: Vector3) {
  return stack
    .flatMap((entry) => {
      const { geometry } = entry;
      if (geometry === null) return [];
      const along = normalOf(geometry).map((n, i) => n * (point[i]! - geometry.position[i]!));
      return [{ entry, geometry, distance: Math.abs(along.reduce((sum, value) => sum + value)) }];
    })
    .sort((a, b) => a.distance - b.distance);
}
