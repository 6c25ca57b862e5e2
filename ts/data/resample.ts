/**
 * Bilinear resampling along the axes of an image, with the triangle filter widened where it shrinks the image
 * (antialiasing). Since a crop is turned and flipped by quarter turns only, each output row and column meets one source
 * row or column, and the filter separates into two passes.
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

/** Of output position i: `weights` from `ends[i - 1]` to `ends[i]`, for the source from `firsts[i]` on; their sum is 1, less outside. */
interface Taps {
  firsts: Int32Array;
  ends: Int32Array;
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
  { low, high }: IntensityWindow,
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
  const read = rowsRead(alongY);
  const values = passY(passX(image, alongX, read, low), read, alongY, 65535 / (high - low));
  return turned ? transposed(values, size) : values;
}

/** The image less `low`, resampled along x in the rows that are read: float32 [to - from, size]. */
function passX(
  { pixels, columns }: Plane2d,
  { firsts, ends, weights }: Taps,
  { from, to }: Rows,
  low: number,
): Float32Array {
  const size = firsts.length;
  const out = new Float32Array((to - from) * size);
  for (let y = from; y < to; y++) {
    let tap = 0;
    for (let j = 0; j < size; j++) {
      let at = y * columns + firsts[j]!;
      let sum = 0;
      for (; tap < ends[j]!; tap++) sum += weights[tap]! * (pixels[at++]! - low);
      out[(y - from) * size + j] = sum;
    }
  }
  return out;
}

interface Rows {
  from: number;
  to: number;
}

function rowsRead({ firsts, ends }: Taps): Rows {
  let from = Number.POSITIVE_INFINITY;
  let to = 0;
  for (let i = 0; i < firsts.length; i++) {
    const count = ends[i]! - (ends[i - 1] ?? 0);
    if (count === 0) continue;
    from = Math.min(from, firsts[i]!);
    to = Math.max(to, firsts[i]! + count);
  }
  return to > 0 ? { from, to } : { from: 0, to: 0 };
}

/** The rows resampled along y, times `scale`, as uint16 [size, size]. */
function passY(
  rows: Float32Array,
  { from }: Rows,
  { firsts, ends, weights }: Taps,
  scale: number,
): Uint16Array {
  const size = firsts.length;
  const out = new Uint16Array(size * size);
  const sums = new Float64Array(size);
  let tap = 0;
  for (let i = 0; i < size; i++) {
    sums.fill(0);
    let row = (firsts[i]! - from) * size;
    for (; tap < ends[i]!; tap++, row += size) {
      const weight = weights[tap]!;
      for (let j = 0; j < size; j++) sums[j]! += weight * rows[row + j]!;
    }
    for (let j = 0; j < size; j++) {
      out[i * size + j] = Math.min(65535, Math.max(0, Math.round(sums[j]! * scale)));
    }
  }
  return out;
}

function transposed(values: Uint16Array, size: number): Uint16Array {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) out[j * size + i] = values[i * size + j]!;
  return out;
}

function taps(step: number, start: number, size: number, length: number, border: 'replicate' | 'low'): Taps {
  const radius = Math.max(1, Math.abs(step));
  const firsts = new Int32Array(size);
  const ends = new Int32Array(size);
  const weights: number[] = [];
  const inside = (x: number) => Math.min(length - 1, Math.max(0, x));
  for (let i = 0; i < size; i++) {
    const centre = start + step * i;
    const [from, to] = [Math.ceil(centre - radius), Math.floor(centre + radius)];
    const first = inside(from);
    const outside = border === 'low' && (to < 0 || from >= length);
    const own = new Array<number>(outside ? 0 : inside(to) - first + 1).fill(0);
    let sum = 0;
    for (let x = from; x <= to; x++) {
      const weight = 1 - Math.abs(x - centre) / radius;
      sum += weight;
      if (border === 'low' && inside(x) !== x) continue;
      own[inside(x) - first]! += weight;
    }
    for (const weight of own) weights.push(weight / sum);
    firsts[i] = first;
    ends[i] = weights.length;
  }
  return { firsts, ends, weights: Float64Array.from(weights) };
}
