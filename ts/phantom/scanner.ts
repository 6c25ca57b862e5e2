/**
 * Draws the acquisition parameters of a study and simulates the scanner: motion ghosts, coil sensitivity and
 * presaturation, the point spread function of a finite k-space, Rician noise, and interpolation to the stored matrix.
 */

import type { RandomStream } from '../random.js';
import { type Canvas, type Grid, smoothStep } from './canvas.js';
import type { Texture } from './texture.js';

export interface Acquisition {
  /** TR, ms. */
  readonly repetitionTime: number;
  /** TE, ms. */
  readonly echoTime: number;
  /** Tesla. */
  readonly fieldStrength: number;
  /** mm */
  readonly sliceThickness: number;
  /** Distance between the centres of adjacent slices, mm. */
  readonly sliceSpacing: number;
  /** Stored matrix, and the size of its square pixels in mm. */
  readonly columns: number;
  readonly rows: number;
  readonly spacing: number;
  /** Acquired pixel size in mm, at least `spacing`. */
  readonly acquired: number;
  /** In-plane y and patient z of the centre of the first pixel, before mirroring, mm. */
  readonly y0: number;
  readonly z0: number;
  /** Rotation of the slices about the patient's z axis, radians. */
  readonly obliquity: number;
  /** Whether the image shows anterior on the right. */
  readonly mirrored: boolean;
  /** Patient x of each slice at y = 0, in the order of the instance numbers, mm. */
  readonly slicePositions: readonly number[];
  /** Decay length of the coil sensitivity in the anterior direction, mm. */
  readonly coilReach: number;
  /** Range of the coil along z, mm. */
  readonly coilHeight: number;
  /** Relative amplitude of the slow shading. */
  readonly shading: number;
  /** Presaturation slab: distance anterior to the spine (mm), and the fraction of the signal that remains. */
  readonly saturation: { readonly gap: number; readonly remaining: number } | null;
  /** Motion ghosts: phase-encoding direction, distance of the first ghost (mm), and its relative strength. */
  readonly ghost: { readonly along: 'rows' | 'columns'; readonly shift: number; readonly strength: number };
  /** Standard deviation of the noise, as a fraction of the CSF signal. */
  readonly noise: number;
  /** Standard deviation of the point spread function along rows and along columns, in acquired pixels. */
  readonly blur: readonly [number, number];
  /** Stored value of CSF. */
  readonly gain: number;
}

const MATRICES = [256, 320, 352, 384, 448, 512, 576, 640, 704, 768, 896, 1024];

/** Draws the acquisition parameters of a study. */
export function drawAcquisition(random: RandomStream, slices: number): Acquisition {
  const spacing = Math.max(0.28, Math.min(1.18, 0.58 * Math.exp(random.bounded(0, 0.28))));
  const fieldOfView = random.uniform(255, 310);
  const rows = nearest(MATRICES, fieldOfView / spacing);
  const columns = random.chance(0.25) ? nearest(MATRICES, (rows * random.uniform(0.72, 0.92)) | 0) : rows;
  const storedSpacing = round(Math.max(0.28, Math.min(1.18, fieldOfView / rows)), 5);
  const sliceThickness = round(random.uniform(3, 5), 1);
  const sliceSpacing = round(Math.max(3, Math.min(6.6, sliceThickness * random.uniform(1, 1.3))), 2);
  const wholeSlices = slices > 4 ? random.pick([-1, 0, 0, 0, 1]) : 0;
  const centre = (wholeSlices + random.uniform(-0.35, 0.35)) * sliceSpacing;
  const direction = random.chance(0.7) ? 1 : -1;
  const obliquity = (random.bounded(0, 1.6) * Math.PI) / 180;
  const slicePositions = Array.from(
    { length: slices },
    (_, i) => centre + (direction * (i - (slices - 1) / 2) * sliceSpacing) / Math.cos(obliquity),
  );
  const posteriorFraction = random.uniform(0.33, 0.46);
  const fieldStrength = random.pick([1.5, 1.5, 3]);
  return {
    repetitionTime: Math.round(Math.min(8000, 3300 + 900 * -Math.log(random.uniform()))),
    echoTime: Math.round(random.uniform(96, 125)),
    fieldStrength,
    sliceThickness,
    sliceSpacing,
    columns,
    rows,
    spacing: storedSpacing,
    acquired: Math.max(storedSpacing, random.uniform(0.62, 0.85)),
    y0: round(posteriorFraction * 260 - columns * storedSpacing + random.bounded(12, 6), 3),
    z0: round((rows * storedSpacing) / 2 + random.bounded(-14, 8), 3),
    obliquity,
    mirrored: random.chance(0.15),
    slicePositions,
    coilReach: random.uniform(95, 240),
    coilHeight: random.uniform(150, 320),
    shading: random.uniform(0.04, 0.14),
    saturation: random.chance(0.5)
      ? { gap: random.uniform(6, 22), remaining: random.uniform(0.04, 0.25) }
      : null,
    ghost: {
      along: random.chance(0.75) ? 'rows' : 'columns',
      shift: random.uniform(14, 45),
      strength: random.uniform(0.01, 0.06),
    },
    noise: random.uniform(0.016, 0.042) * (1.5 / fieldStrength) ** 0.5,
    blur: [random.uniform(0.32, 0.48), random.uniform(0.38, 0.65)],
    gain: random.uniform(350, 1600),
  };
}

/** The acquired grid, on which slices are painted, in in-plane y and patient z. */
export function acquiredGrid(acquisition: Acquisition): Grid {
  const { acquired, columns, rows, spacing, y0, z0 } = acquisition;
  return {
    columns: Math.ceil((columns * spacing) / acquired) + 1,
    rows: Math.ceil((rows * spacing) / acquired) + 1,
    y0,
    z0,
    step: acquired,
  };
}

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
  const { grid } = slice;
  addGhost(slice, acquisition, surroundings.anteriorWall);
  shade(slice, acquisition, surroundings, texture);
  blur(slice, acquisition.blur);
  addNoise(slice.values, acquisition.noise * csf, random);
  const { columns, rows } = acquisition;
  const scale = acquisition.spacing / grid.step;
  const resampledRows = resampleRows(slice.values, grid.columns, columns, scale);
  const stored = resampleColumns(resampledRows, columns, rows, scale);
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
  const { along, shift, strength } = acquisition.ghost;
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
    const [down, right] = along === 'rows' ? [offset, 0] : [0, offset];
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

/** Adds Rician noise: the magnitude of a signal with Gaussian real and imaginary noise (Marsaglia's polar method). */
function addNoise(values: Float32Array, deviation: number, random: RandomStream): void {
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
    const real = values[i]! + a * scale;
    const imaginary = b * scale;
    values[i] = Math.sqrt(real * real + imaginary * imaginary);
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

const TAPS = 6;

/** Lanczos-3 taps of `count` samples, `scale` apart, in a line of `length`: six positions and weights per sample. */
function taps(
  length: number,
  count: number,
  scale: number,
): { positions: Int32Array; weights: Float64Array } {
  const positions = new Int32Array(count * TAPS);
  const weights = new Float64Array(count * TAPS);
  for (let i = 0; i < count; i++) {
    const first = Math.floor(i * scale) - 2;
    const kernel = Array.from({ length: TAPS }, (_, k) => lanczos(i * scale - first - k));
    const sum = kernel.reduce((a, b) => a + b);
    for (const [k, weight] of kernel.entries()) {
      positions[i * TAPS + k] = Math.max(0, Math.min(length - 1, first + k));
      weights[i * TAPS + k] = weight / sum;
    }
  }
  return { positions, weights };
}

function resampleRows(source: Float32Array, columns: number, count: number, scale: number): Float32Array {
  const rows = source.length / columns;
  const { positions, weights } = taps(columns, count, scale);
  const result = new Float32Array(count * rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < count; column++) {
      let value = 0;
      for (let k = column * TAPS; k < (column + 1) * TAPS; k++) {
        value += weights[k]! * source[row * columns + positions[k]!]!;
      }
      result[row * count + column] = value;
    }
  }
  return result;
}

function resampleColumns(source: Float32Array, columns: number, count: number, scale: number): Float32Array {
  const { positions, weights } = taps(source.length / columns, count, scale);
  const result = new Float32Array(columns * count);
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < columns; column++) {
      let value = 0;
      for (let k = row * TAPS; k < (row + 1) * TAPS; k++) {
        value += weights[k]! * source[positions[k]! * columns + column]!;
      }
      result[row * columns + column] = value;
    }
  }
  return result;
}

function lanczos(x: number): number {
  if (x === 0) return 1;
  if (Math.abs(x) >= 3) return 0;
  const a = Math.PI * x;
  return (3 * Math.sin(a) * Math.sin(a / 3)) / (a * a);
}

function nearest(values: readonly number[], target: number): number {
  return values.reduce((best, value) => (Math.abs(value - target) < Math.abs(best - target) ? value : best));
}

function round(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}
