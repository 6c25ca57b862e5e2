/**
 * The scanner: how one study is acquired, and what acquisition does to a perfect picture. Coil sensitivity, motion
 * ghosts, the point spread of a finite k-space, Rician noise, and the interpolation to the stored matrix.
 */

import type { RandomStream } from '../random.js';
import { type Canvas, type Grid, smoothStep } from './canvas.js';
import type { Texture } from './texture.js';

export interface Acquisition {
  /** ms */
  readonly repetitionTime: number;
  readonly echoTime: number;
  /** T */
  readonly fieldStrength: number;
  /** mm */
  readonly sliceThickness: number;
  readonly sliceSpacing: number;
  /** Stored matrix and its square pixels in mm. */
  readonly columns: number;
  readonly rows: number;
  readonly spacing: number;
  /** Pixel size in mm at which k-space was sampled; the stored matrix interpolates where it is finer. */
  readonly acquired: number;
  /** Patient y and z of the first pixel's centre where x is that of the slice (before any left-right flip). */
  readonly y0: number;
  readonly z0: number;
  /** Rotation of the slices about the patient's long axis, radians. */
  readonly obliquity: number;
  /** The front of the patient lies on the right of the image. */
  readonly mirrored: boolean;
  /** x of each slice's middle (at y = 0), in the order of the instance numbers. */
  readonly slicePositions: readonly number[];
  readonly coilReach: number;
  readonly coilHeight: number;
  readonly shading: number;
  /** Presaturation of the abdomen: distance in front of the spine (mm) and what is left of the signal. */
  readonly saturation: { readonly gap: number; readonly left: number } | null;
  readonly ghost: { readonly along: 'rows' | 'columns'; readonly shift: number; readonly strength: number };
  /** Noise deviation as a share of the brightness of CSF. */
  readonly noise: number;
  /** Point spread, standard deviation in acquired pixels, along rows and columns. */
  readonly blur: readonly [number, number];
  /** Stored value of CSF. */
  readonly gain: number;
}

const MATRICES = [256, 320, 352, 384, 448, 512, 576, 640, 704, 768, 896, 1024];

export function drawAcquisition(random: RandomStream, slices: number): Acquisition {
  const spacing = Math.max(0.28, Math.min(1.18, 0.58 * Math.exp(random.bounded(0, 0.28))));
  const fieldOfView = random.uniform(255, 310);
  const rows = nearest(MATRICES, fieldOfView / spacing);
  const columns = random.chance(0.25) ? nearest(MATRICES, (rows * random.uniform(0.72, 0.92)) | 0) : rows;
  const storedSpacing = round(Math.max(0.28, Math.min(1.18, fieldOfView / rows)), 5);
  const sliceThickness = round(random.uniform(3, 5), 1);
  const sliceSpacing = round(Math.max(3, Math.min(6.6, sliceThickness * random.uniform(1, 1.3))), 2);
  const miss = slices > 4 ? random.pick([-1, 0, 0, 0, 1]) : 0;
  const centre = (miss + random.uniform(-0.35, 0.35)) * sliceSpacing;
  const direction = random.chance(0.7) ? 1 : -1;
  const obliquity = (random.bounded(0, 1.6) * Math.PI) / 180;
  const slicePositions = Array.from(
    { length: slices },
    (_, i) => centre + (direction * (i - (slices - 1) / 2) * sliceSpacing) / Math.cos(obliquity),
  );
  const behind = random.uniform(0.33, 0.46);
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
    y0: round(behind * 260 - columns * storedSpacing + random.bounded(12, 6), 3),
    z0: round((rows * storedSpacing) / 2 + random.bounded(-14, 8), 3),
    obliquity,
    mirrored: random.chance(0.15),
    slicePositions,
    coilReach: random.uniform(95, 240),
    coilHeight: random.uniform(150, 320),
    shading: random.uniform(0.04, 0.14),
    saturation: random.chance(0.5) ? { gap: random.uniform(6, 22), left: random.uniform(0.04, 0.25) } : null,
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

/** The grid on which the slice is painted and sampled, in patient y and z. */
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

/** What surrounds the spine along z: where the abdomen begins and where the receiving coil lies. */
export interface Surroundings {
  readonly frontWall: (z: number) => number;
  readonly skin: (z: number) => number;
}

/**
 * From the perfect slice on the acquired grid to stored pixels (row-major uint16 of the stored matrix).
 * `csf` is the brightness of pure CSF.
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
  addGhost(slice, acquisition, surroundings.frontWall);
  shade(slice, acquisition, surroundings, texture);
  blur(slice, acquisition.blur);
  addNoise(slice.values, acquisition.noise * csf, random);
  const { columns, rows } = acquisition;
  const scale = acquisition.spacing / grid.step;
  const across = resampleRows(slice.values, grid.columns, columns, scale);
  const stored = resampleColumns(across, columns, rows, scale);
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

/** Breathing and bowel motion repeat the abdomen, faintly, along the phase-encoding direction. */
function addGhost(slice: Canvas, acquisition: Acquisition, frontWall: (z: number) => number): void {
  const { columns, rows, y0, z0, step } = slice.grid;
  const { along, shift, strength } = acquisition.ghost;
  const fronts = Float64Array.from({ length: rows }, (_, row) => frontWall(z0 - row * step) - 12);
  const last = Math.max(0, Math.min(columns, Math.ceil((Math.max(...fronts) - y0) / step)));
  const moving = new Float32Array(rows * last);
  for (let row = 0; row < rows; row++) {
    const front = fronts[row]!;
    for (let column = 0; column < last; column++) {
      const share = smoothStep(front, front - 15, y0 + column * step);
      moving[row * last + column] = slice.values[row * columns + column]! * share;
    }
  }
  for (const order of [-3, -2, -1, 1, 2, 3]) {
    const offset = Math.round((order * shift) / step);
    const [down, right] = along === 'rows' ? [offset, 0] : [0, offset];
    const share = strength / Math.abs(order);
    for (let row = Math.max(0, -down); row < Math.min(rows, rows - down); row++) {
      const target = (row + down) * columns + right;
      for (let column = Math.max(0, -right); column < Math.min(last, columns - right); column++) {
        slice.values[target + column]! += share * moving[row * last + column]!;
      }
    }
  }
}

/** Surface coil at the back, slow shading, and the presaturation slab. */
function shade(
  slice: Canvas,
  acquisition: Acquisition,
  { frontWall, skin }: Surroundings,
  texture: Texture,
): void {
  const { columns, rows, y0, z0, step } = slice.grid;
  const { coilReach, coilHeight, shading, saturation } = acquisition;
  const canalDepth = skin(0) - frontWall(0) - 35;
  const coil = Float64Array.from({ length: columns }, (_, column) => {
    const deep = Math.max(-10, skin(0) - (y0 + column * step)) - canalDepth;
    return Math.exp(-deep / coilReach);
  });
  for (let row = 0; row < rows; row++) {
    const z = z0 - row * step;
    const front = frontWall(0) * 0.55 + 0.45 * frontWall(z);
    const along = 1 / (1 + (z / coilHeight) ** 4 * 8);
    for (let column = 0; column < columns; column++) {
      const y = y0 + column * step;
      let sensitivity = along * coil[column]! * (1 + shading * texture.at(y * 0.016, z * 0.012 + 90));
      if (saturation !== null) {
        const kept = smoothStep(front - saturation.gap - 12, front - saturation.gap + 2, y);
        sensitivity *= saturation.left + (1 - saturation.left) * kept;
      }
      slice.values[row * columns + column]! *= sensitivity;
    }
  }
}

/** Magnitude of the signal with Gaussian noise on its real and imaginary part (a pair by Marsaglia's polar method). */
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

function blur(slice: Canvas, [alongRows, alongColumns]: readonly [number, number]): void {
  spread(slice.values, 1, alongRows);
  spread(slice.values, slice.grid.columns, alongColumns);
}

/** Mixes every value with its neighbours `stride` before and after; `sigma` in samples. */
function spread(values: Float32Array, stride: number, sigma: number): void {
  const edge = Math.exp(-0.5 / (sigma * sigma));
  const beside = edge / (1 + 2 * edge);
  const own = 1 / (1 + 2 * edge);
  const source = values.slice();
  for (let i = stride; i < values.length - stride; i++) {
    values[i] = own * source[i]! + beside * (source[i - stride]! + source[i + stride]!);
  }
}

const TAPS = 6;

/** Where `count` samples `scale` apart lie among `length`: per sample six places and their weights (Lanczos, three lobes). */
function taps(length: number, count: number, scale: number): { places: Int32Array; weights: Float64Array } {
  const places = new Int32Array(count * TAPS);
  const weights = new Float64Array(count * TAPS);
  for (let i = 0; i < count; i++) {
    const first = Math.floor(i * scale) - 2;
    const kernel = Array.from({ length: TAPS }, (_, k) => lanczos(i * scale - first - k));
    const sum = kernel.reduce((a, b) => a + b);
    for (const [k, weight] of kernel.entries()) {
      places[i * TAPS + k] = Math.max(0, Math.min(length - 1, first + k));
      weights[i * TAPS + k] = weight / sum;
    }
  }
  return { places, weights };
}

function resampleRows(source: Float32Array, columns: number, count: number, scale: number): Float32Array {
  const rows = source.length / columns;
  const { places, weights } = taps(columns, count, scale);
  const result = new Float32Array(count * rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < count; column++) {
      let value = 0;
      for (let k = column * TAPS; k < (column + 1) * TAPS; k++) {
        value += weights[k]! * source[row * columns + places[k]!]!;
      }
      result[row * count + column] = value;
    }
  }
  return result;
}

function resampleColumns(source: Float32Array, columns: number, count: number, scale: number): Float32Array {
  const { places, weights } = taps(source.length / columns, count, scale);
  const result = new Float32Array(columns * count);
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < columns; column++) {
      let value = 0;
      for (let k = row * TAPS; k < (row + 1) * TAPS; k++) {
        value += weights[k]! * source[places[k]! * columns + column]!;
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
