/**
 * Bilinear resampling along the axes of an image. For reductions, the triangle filter is widened (antialiasing). A crop
 * is rotated only by multiples of 90 degrees and flipped, so the filter separates into one pass per axis.
 */

import type { Affine } from '../anatomy.js';
import type { Pixels } from '../dicom/types.js';
import type { IntensityWindow } from '../dicom/window.js';
import { SpinegradError } from '../error.js';

/** A grey image, row-major. */
export interface Image2d {
  pixels: Pixels;
  rows: number;
  columns: number;
}

/**
 * Filter taps of one axis. Output i has the weights `ends[i - 1]` to `ends[i]`, for the source positions from
 * `firsts[i]` on. Their sum is 1, or less if border `low` drops positions outside.
 */
interface Taps {
  firsts: Int32Array;
  ends: Int32Array;
  weights: Float64Array;
}

/**
 * Resamples `image` on a `size` x `size` grid.
 *
 * @param toImage maps grid points to image points; one of a, b and one of d, e must be 0
 * @param border value outside the image: `replicate` the nearest pixel, or `low`, the low end of the window
 * @returns uint16 [size, size]; 0 to 65535 spans the window
 * @throws SpinegradError ERR_AFFINE
 */
export function resample(
  image: Image2d,
  toImage: Affine,
  size: number,
  { low, high }: IntensityWindow,
  border: 'replicate' | 'low',
): Uint16Array {
  const [a, b, c, d, e, f] = toImage;
  const isTransposed = a === 0;
  if (isTransposed ? e !== 0 || b === 0 || d === 0 : b !== 0 || d !== 0 || e === 0) {
    throw new SpinegradError(
      'ERR_AFFINE',
      `resample: found the map [${toImage}], expected a rotation by a multiple of 90 degrees with an optional flip`,
    );
  }
  const alongX = taps(isTransposed ? b : a, c, size, image.columns, border);
  const alongY = taps(isTransposed ? d : e, f, size, image.rows, border);
  const rows = rowRange(alongY);
  const values = passY(passX(image, alongX, rows, low), rows, alongY, 65535 / (high - low));
  return isTransposed ? transpose(values, size) : values;
}

/**
 * Resamples `image - low` along x in the rows `from` to `to`: float32 [to - from, size]. Four rows at a time, for
 * independent sums; missing rows repeat the last one.
 */
function passX(
  { pixels, columns }: Image2d,
  { firsts, ends, weights }: Taps,
  { from, to }: RowRange,
  low: number,
): Float32Array {
  const size = firsts.length;
  const out = new Float32Array((to - from) * size);
  for (let y0 = from; y0 < to; y0 += 4) {
    const y1 = Math.min(y0 + 1, to - 1);
    const y2 = Math.min(y0 + 2, to - 1);
    const y3 = Math.min(y0 + 3, to - 1);
    let tap = 0;
    for (let j = 0; j < size; j++) {
      let x = firsts[j]!;
      let sum0 = 0;
      let sum1 = 0;
      let sum2 = 0;
      let sum3 = 0;
      for (const end = ends[j]!; tap < end; tap++, x++) {
        const weight = weights[tap]!;
        sum0 += weight * (pixels[y0 * columns + x]! - low);
        sum1 += weight * (pixels[y1 * columns + x]! - low);
        sum2 += weight * (pixels[y2 * columns + x]! - low);
        sum3 += weight * (pixels[y3 * columns + x]! - low);
      }
      out[(y0 - from) * size + j] = sum0;
      out[(y1 - from) * size + j] = sum1;
      out[(y2 - from) * size + j] = sum2;
      out[(y3 - from) * size + j] = sum3;
    }
  }
  return out;
}

interface RowRange {
  from: number;
  to: number;
}

/** The range of source rows that have a tap. */
function rowRange({ firsts, ends }: Taps): RowRange {
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

/** Resamples `rows * scale` along y: uint16 [size, size]. Four columns at a time, as in `passX`. */
function passY(
  rows: Float32Array,
  { from }: RowRange,
  { firsts, ends, weights }: Taps,
  scale: number,
): Uint16Array {
  const size = firsts.length;
  const out = new Uint16Array(size * size);
  for (let i = 0, start = 0; i < size; start = ends[i++]!) {
    const end = ends[i]!;
    for (let j0 = 0; j0 < size; j0 += 4) {
      const j1 = Math.min(j0 + 1, size - 1);
      const j2 = Math.min(j0 + 2, size - 1);
      const j3 = Math.min(j0 + 3, size - 1);
      let row = (firsts[i]! - from) * size;
      let sum0 = 0;
      let sum1 = 0;
      let sum2 = 0;
      let sum3 = 0;
      for (let tap = start; tap < end; tap++, row += size) {
        const weight = weights[tap]!;
        sum0 += weight * rows[row + j0]!;
        sum1 += weight * rows[row + j1]!;
        sum2 += weight * rows[row + j2]!;
        sum3 += weight * rows[row + j3]!;
      }
      out[i * size + j0] = pixelOf(sum0 * scale);
      out[i * size + j1] = pixelOf(sum1 * scale);
      out[i * size + j2] = pixelOf(sum2 * scale);
      out[i * size + j3] = pixelOf(sum3 * scale);
    }
  }
  return out;
}

/** Rounds and clamps to 0..65535; NaN becomes 0. Math.round is several times slower. */
const pixelOf = (value: number): number => (value <= 0 ? 0 : value >= 65535 ? 65535 : (value + 0.5) | 0);

function transpose(values: Uint16Array, size: number): Uint16Array {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) out[j * size + i] = values[i * size + j]!;
  return out;
}

/** The taps for `size` outputs at start + i * step in a source of `length`. */
function taps(step: number, start: number, size: number, length: number, border: 'replicate' | 'low'): Taps {
  const radius = Math.max(1, Math.abs(step));
  const firsts = new Int32Array(size);
  const ends = new Int32Array(size);
  // One more than fits the radius, because the rounded centre can be slightly nearer.
  const weights = new Float64Array(size * Math.min(length, Math.floor(2 * radius) + 2));
  const clamp = (x: number) => Math.min(length - 1, Math.max(0, x));
  let end = 0;
  for (let i = 0; i < size; i++) {
    const centre = start + step * i;
    const from = Math.ceil(centre - radius);
    const to = Math.floor(centre + radius);
    const first = clamp(from);
    const outside = border === 'low' && (to < 0 || from >= length);
    const base = end - first;
    if (!outside) end += clamp(to) - first + 1;
    let sum = 0;
    for (let x = from; x <= to; x++) {
      const weight = 1 - Math.abs(x - centre) / radius;
      sum += weight;
      if (border === 'low' && clamp(x) !== x) continue;
      weights[base + clamp(x)]! += weight;
    }
    for (let tap = base + first; tap < end; tap++) weights[tap]! /= sum;
    firsts[i] = first;
    ends[i] = end;
  }
  return { firsts, ends, weights };
}
