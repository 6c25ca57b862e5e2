/**
 * Simulates the scanner: motion ghosts, coil sensitivity and presaturation, the point spread function of a finite
 * k-space, Rician noise, edge enhancement, and interpolation to the stored matrix.
 */

import type { RandomStream } from '../random.js';
import type { Acquisition } from './acquisition.js';
import { type Canvas, smoothStep } from './canvas.js';
import { resample } from './resample.js';
import type { Texture } from './texture.js';
import { truncate } from './truncation.js';

/** y of the anterior wall of the bodies, where the abdomen begins, and of the skin of the back, at the coil. */
export interface Surroundings {
  readonly anteriorWall: (z: number) => number;
  readonly skin: (z: number) => number;
}

/**
 * Simulates the acquisition of an ideal slice. Modifies `slice` and returns the stored pixels, row-major uint16.
 *
 * @param csf signal of pure CSF
 */
export function acquire(
  slice: Canvas,
  acquisition: Acquisition,
  surroundings: Surroundings,
  texture: Texture,
  csf: number,
  random: RandomStream,
): Uint16Array {
  const { columns, rows, phase } = acquisition;
  addGhost(slice, acquisition, surroundings.anteriorWall);
  shade(slice, acquisition, surroundings, texture);
  blur(slice, acquisition.blur);
  const imaginary = addNoise(slice.values, acquisition.noise * csf, random);
  truncate(slice.values, phase.along === 'rows' ? slice.grid.columns : 1, phase.fraction, phase.filter);
  takeMagnitude(slice.values, imaginary);
  if (acquisition.sharpening > 0) sharpen(slice, acquisition.sharpening);
  const scale = acquisition.spacing / slice.grid.step;
  const stored = resample(slice.values, slice.grid.columns, columns, rows, scale);
  const gain = acquisition.gain / csf;
  const pixels = new Uint16Array(columns * rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const target = acquisition.mirrored ? columns - 1 - column : column;
      const value = Math.round(stored[row * columns + column]! * gain);
      pixels[row * columns + target] = Math.max(0, Math.min(4095, value));
    }
  }
  return pixels;
}

/** Adds motion ghosts: faint copies of the moving abdomen along the phase-encoding direction. */
function addGhost(slice: Canvas, acquisition: Acquisition, anteriorWall: (z: number) => number): void {
  const { columns, rows, y0, z0, step } = slice.grid;
  const { shift, strength } = acquisition.ghost;
  const limits = Float64Array.from({ length: rows }, (_, row) => anteriorWall(z0 - row * step) - 12);
  const last = Math.max(0, Math.min(columns, Math.ceil((Math.max(...limits) - y0) / step)));
  const moving = new Float32Array(rows * last);
  for (let row = 0; row < rows; row++) {
    const limit = limits[row]!;
    for (let column = 0; column < last; column++) {
      const fraction = smoothStep(limit, limit - 15, y0 + column * step);
      moving[row * last + column] = slice.values[row * columns + column]! * fraction;
    }
  }
  for (const order of [-3, -2, -1, 1, 2, 3]) {
    const offset = Math.round((order * shift) / step);
    const [down, right] = acquisition.phase.along === 'rows' ? [offset, 0] : [0, offset];
    const amplitude = strength / Math.abs(order);
    for (let row = Math.max(0, -down); row < Math.min(rows, rows - down); row++) {
      const target = (row + down) * columns + right;
      for (let column = Math.max(0, -right); column < Math.min(last, columns - right); column++) {
        slice.values[target + column]! += amplitude * moving[row * last + column]!;
      }
    }
  }
}

/** Applies the sensitivity of a posterior surface coil, slow shading, and the presaturation slab. */
function shade(
  slice: Canvas,
  acquisition: Acquisition,
  { anteriorWall, skin }: Surroundings,
  texture: Texture,
): void {
  const { columns, rows, y0, z0, step } = slice.grid;
  const { coilReach, coilHeight, shading, saturation } = acquisition;
  const canalDepth = skin(0) - anteriorWall(0) - 35;
  const coil = Float64Array.from({ length: columns }, (_, column) => {
    const distance = Math.max(-10, skin(0) - (y0 + column * step)) - canalDepth;
    return Math.exp(-distance / coilReach);
  });
  for (let row = 0; row < rows; row++) {
    const z = z0 - row * step;
    const anterior = anteriorWall(0) * 0.55 + 0.45 * anteriorWall(z);
    const along = 1 / (1 + (z / coilHeight) ** 4 * 8);
    for (let column = 0; column < columns; column++) {
      const y = y0 + column * step;
      let sensitivity = along * coil[column]! * (1 + shading * texture.at(y * 0.016, z * 0.012 + 90));
      if (saturation !== null) {
        const unsaturated = smoothStep(anterior - saturation.gap - 12, anterior - saturation.gap + 2, y);
        sensitivity *= saturation.remaining + (1 - saturation.remaining) * unsaturated;
      }
      slice.values[row * columns + column]! *= sensitivity;
    }
  }
}

/** Adds the real part of complex Gaussian noise (Marsaglia's polar method) and returns its imaginary part. */
function addNoise(values: Float32Array, deviation: number, random: RandomStream): Float32Array {
  const imaginary = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    let a: number;
    let b: number;
    let square: number;
    do {
      a = random.uniform(-1, 1);
      b = random.uniform(-1, 1);
      square = a * a + b * b;
    } while (square >= 1);
    const scale = deviation * Math.sqrt((-2 * Math.log(square)) / square);
    values[i]! += a * scale;
    imaginary[i] = b * scale;
  }
  return imaginary;
}

/** The magnitude image, whose noise is Rician. */
function takeMagnitude(real: Float32Array, imaginary: Float32Array): void {
  for (let i = 0; i < real.length; i++) real[i] = Math.sqrt(real[i]! ** 2 + imaginary[i]! ** 2);
}

/** Adds the difference between the image and its blurred copy. */
function sharpen(slice: Canvas, strength: number): void {
  const { values } = slice;
  const original = values.slice();
  blur(slice, [0.8, 0.8]);
  for (let i = 0; i < values.length; i++) {
    values[i] = Math.max(0, original[i]! + strength * (original[i]! - values[i]!));
  }
}

/** Applies the point spread function. */
function blur(slice: Canvas, [alongRows, alongColumns]: readonly [number, number]): void {
  convolve(slice.values, 1, alongRows);
  convolve(slice.values, slice.grid.columns, alongColumns);
}

/** Convolves with a Gaussian of 3 taps, in steps of `stride`; `sigma` in samples. */
function convolve(values: Float32Array, stride: number, sigma: number): void {
  const edge = Math.exp(-0.5 / (sigma * sigma));
  const neighbourWeight = edge / (1 + 2 * edge);
  const centreWeight = 1 / (1 + 2 * edge);
  const source = values.slice();
  for (let i = stride; i < values.length - stride; i++) {
    values[i] = centreWeight * source[i]! + neighbourWeight * (source[i - stride]! + source[i + stride]!);
  }
}
