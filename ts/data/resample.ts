/**
 * Bilinear resampling along the axes of an image, with the triangle filter widened where it shrinks the image
 * (antialiasing). Since a crop is turned and flipped by quarter turns only, each
 * output row and column meets one source row or column, and the filter separates into two passes.
 */
import type { Pixels } from '../dicom/types.js';
import type { IntensityWindow } from '../dicom/window.js';
import { SpinegradError } from '../error.js';
import type { Affine } from './types.js';

export interface Plane2d {
  pixels: Pixels;
  rows: number;
  columns: number;
}

/** Taps of one output position: source indices from `first` on, with weights that sum to 1 (less outside). */
interface Taps {
  first: number;
  weights: Float64Array;
}

/**
 * Resamples `image` at the points of a `size` x `size` grid.
 *
 * @param toImage where the grid's points lie in the image; one of a, b and one of d, e must be 0
 * @param border outside the image: `replicate` the nearest pixel, or `low`, the low end of the window
 * @returns uint16 [size, size]: 0..65535 spans the window
 * @throws SpinegradError ERR_AFFINE
 */
export function resample(
  image: Plane2d,
  toImage: Affine,
  size: number,
  window: IntensityWindow,
  border: 'replicate' | 'low',
): Uint16Array {
  const [a, b, c, d, e, f] = toImage;
  const turned = a === 0;
  if (turned ? e !== 0 || b === 0 || d === 0 : b !== 0 || d !== 0 || e === 0) {
    throw new SpinegradError(
      'ERR_AFFINE',
      `resample: expected quarter turns only, found the map [${toImage}]`,
    );
  }
  const alongX = taps(turned ? b : a, c, size, image.columns, border);
  const alongY = taps(turned ? d : e, f, size, image.rows, border);
  const rows = passX(image, alongX, alongY, window.low);
  const scale = 65535 / (window.high - window.low);
  const out = new Uint16Array(size * size);
  alongY.forEach(({ first, weights }, i) => {
    for (let j = 0; j < size; j++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * rows[(first + k) * size + j]!;
      const value = Math.min(65535, Math.max(0, Math.round(sum * scale)));
      out[turned ? j * size + i : i * size + j] = value;
    }
  });
  return out;
}

/** The image less `low`, resampled along x in the rows that the second pass reads: float32 [image rows, size]. */
function passX(
  { pixels, rows, columns }: Plane2d,
  alongX: Taps[],
  alongY: Taps[],
  low: number,
): Float32Array {
  const from = Math.min(...alongY.map((y) => (y.weights.length > 0 ? y.first : rows)));
  const to = Math.max(...alongY.map((y) => y.first + y.weights.length));
  const size = alongX.length;
  const out = new Float32Array(rows * size);
  for (let y = from; y < to; y++) {
    for (let j = 0; j < size; j++) {
      const { first, weights } = alongX[j]!;
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * (pixels[y * columns + first + k]! - low);
      out[y * size + j] = sum;
    }
  }
  return out;
}

function taps(
  step: number,
  start: number,
  size: number,
  length: number,
  border: 'replicate' | 'low',
): Taps[] {
  const radius = Math.max(1, Math.abs(step));
  return Array.from({ length: size }, (_, i) => {
    const centre = start + step * i;
    const [from, to] = [Math.ceil(centre - radius), Math.floor(centre + radius)];
    const inside = (x: number) => Math.min(length - 1, Math.max(0, x));
    const first = inside(from);
    const last = inside(to);
    const outside = border === 'low' && (to < 0 || from >= length);
    const weights = new Float64Array(outside ? 0 : last - first + 1);
    let sum = 0;
    for (let x = from; x <= to; x++) {
      const weight = 1 - Math.abs(x - centre) / radius;
      sum += weight;
      if (border === 'low' && inside(x) !== x) continue;
      weights[inside(x) - first]! += weight;
    }
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}
