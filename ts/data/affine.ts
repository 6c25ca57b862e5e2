/** Maps between the pixels of a crop and those of the image that it was cut from. */

import type { Affine, Point } from '../anatomy.js';
import { SpinegradError } from '../error.js';

/** Where the map sends a point: from a crop's (u, v) to the source's (x, y). */
export function applyAffine([a, b, c, d, e, f]: Affine, [u, v]: Point): Point {
  return [a * u + b * v + c, d * u + e * v + f];
}

/**
 * The map back: from the source's (x, y) to the crop's (u, v).
 *
 * @throws SpinegradError ERR_AFFINE if the map has no inverse
 */
export function invertAffine([a, b, c, d, e, f]: Affine): Affine {
  const determinant = a * e - b * d;
  if (!Number.isFinite(1 / determinant)) {
    throw new SpinegradError(
      'ERR_AFFINE',
      `invertAffine: expected a map with an inverse, found [${[a, b, c, d, e, f]}], whose determinant is ${determinant}`,
    );
  }
  const [p, q, r, s] = [e / determinant, -b / determinant, -d / determinant, a / determinant];
  return [p, q, -(p * c + q * f), r, s, -(r * c + s * f)];
}
