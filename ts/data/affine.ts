/** Affine maps between the pixels of a crop and the pixels of its source image. */

import type { Affine, Point } from '../anatomy.js';
import { SpinegradError } from '../error.js';

/** Maps the point (u, v) of a crop to the point (x, y) of the source image. */
export function applyAffine([a, b, c, d, e, f]: Affine, [u, v]: Point): Point {
  return [a * u + b * v + c, d * u + e * v + f];
}

/**
 * The inverse map, from the source image to the crop.
 *
 * @throws SpinegradError ERR_AFFINE if the map is singular
 */
export function invertAffine([a, b, c, d, e, f]: Affine): Affine {
  const determinant = a * e - b * d;
  if (!Number.isFinite(1 / determinant)) {
    throw new SpinegradError(
      'ERR_AFFINE',
      `invertAffine: the map [${[a, b, c, d, e, f]}] has the determinant ${determinant}; expected an invertible map`,
    );
  }
  const [p, q, r, s] = [e / determinant, -b / determinant, -d / determinant, a / determinant];
  return [p, q, -(p * c + q * f), r, s, -(r * c + s * f)];
}

/** The geometric mean of the factors by which a map enlarges lengths. */
export function scaleOf([a, b, , d, e]: Affine): number {
  return Math.sqrt(Math.abs(a * e - b * d));
}
