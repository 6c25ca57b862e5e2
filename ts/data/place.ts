/** Finds a patient point on the slices of another series. */
import type { Point } from '../anatomy.js';
import { normalOf, toPixel } from '../dicom/geometry.js';
import type { Vector3 } from '../dicom/types.js';
import type { ImageSlice } from './images.js';
import type { SourceSlice } from './series.js';

/** Maximum distance of the point from the slice in mm: about a slice thickness. */
export const MAX_DISTANCE_MM = 6;

/**
 * The slice nearest to a patient point whose image contains the projection of the point; null if there is none within
 * MAX_DISTANCE_MM, or if the slices have no geometry or pixel spacing.
 *
 * @param point LPS, mm
 * @param read default: the pixels and spacing of the file
 */
export async function placeOn(
  stack: readonly ImageSlice[],
  point: Vector3,
  read = (entry: ImageSlice): Promise<SourceSlice> => entry.read(),
): Promise<{ entry: ImageSlice; centre: Point } | null> {
  const distance = ({ geometry }: ImageSlice): number => {
    if (geometry === null) return Number.POSITIVE_INFINITY;
    const normal = normalOf(geometry);
    return Math.abs(normal.reduce((sum, n, i) => sum + n * (point[i]! - geometry.position[i]!), 0));
  };
  const near = stack
    .filter((entry) => distance(entry) <= MAX_DISTANCE_MM)
    .sort((a, b) => distance(a) - distance(b));
  for (const entry of near) {
    const { pixelSpacing, columns, rows } = await read(entry);
    if (pixelSpacing === null) continue;
    const [x, y] = toPixel(entry.geometry!, pixelSpacing, point);
    if (x >= 0 && y >= 0 && x <= columns - 1 && y <= rows - 1) return { entry, centre: [x, y] };
  }
  return null;
}
