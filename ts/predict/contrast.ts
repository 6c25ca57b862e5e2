/**
 * T1 or T2 weighting from the pixels: the cerebrospinal fluid posterior of the vertebral bodies is brighter than the bodies
 * on T2, STIR and SPACE images, and darker on T1 images.
 */
import type { Point } from '../anatomy.js';
import { median } from '../median.js';

/** Distances in mm from the middle of a vertebra, positive posteriorly: the body, and the range in which the canal lies. */
const BODY_MM = [-8, -4, 0, 4];
const CANAL_MM = [16, 18, 20, 22, 24, 26, 28, 30];

/** Added to intensities (of 65535), so that black pixels have a logarithm. */
const FLOOR = 300;

/**
 * Log ratio of the intensities of the canal and of the vertebral bodies: the sum of that of the brightest and that of the
 * median distance, each the median over the vertebrae. Above 0 on 296 of 298 SPIDER slices that are T2 or SPACE; below 0 on
 * all 35 T1 slices.
 *
 * @param pixels a letterboxed slice in the canonical view, uint16 [size, size]
 * @param discs centres of neighbouring discs in pixels of the slice, at least two
 * @param mmPerPixel of the slice
 */
export function fluidIndex(
  pixels: Uint16Array,
  size: number,
  discs: readonly Point[],
  mmPerPixel: number,
): number {
  const profiles = discs.slice(1).map(([x, y], index) => {
    const [left, top] = discs[index]!;
    const [dx, dy] = [x - left, y - top];
    const length = Math.hypot(dx, dy);
    // The canonical view has posterior on the right.
    const sign = dy < 0 ? -1 : 1;
    const [nx, ny] = [(sign * dy) / length, (-sign * dx) / length];
    return (mm: number) => {
      const distance = mm / mmPerPixel;
      return FLOOR + bilinear(pixels, size, (x + left) / 2 + nx * distance, (y + top) / 2 + ny * distance);
    };
  });
  const along = (distances: readonly number[]) =>
    distances.map((mm) => median(profiles.map((profile) => profile(mm)))!);
  const body = median(along(BODY_MM))!;
  const canal = along(CANAL_MM);
  return Math.log(Math.max(...canal) / body) + Math.log(median(canal)! / body);
}

function bilinear(pixels: Uint16Array, size: number, x: number, y: number): number {
  const clamp = (value: number) => Math.min(size - 1, Math.max(0, value));
  const [left, top] = [Math.floor(clamp(x)), Math.floor(clamp(y))];
  const [right, bottom] = [clamp(left + 1), clamp(top + 1)];
  const [p, q] = [clamp(x) - left, clamp(y) - top];
  const at = (u: number, v: number) => pixels[v * size + u]!;
  return (
    (1 - q) * ((1 - p) * at(left, top) + p * at(right, top)) +
    q * ((1 - p) * at(left, bottom) + p * at(right, bottom))
  );
}
