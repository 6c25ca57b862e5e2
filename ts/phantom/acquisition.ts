/** The acquisition parameters of a study, and how they vary between scanners and protocols. */

import type { RandomStream } from '../random.js';
import type { Grid } from './canvas.js';
import { drawSequence, type Sequence } from './sequence.js';

export interface Acquisition extends Sequence {
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
  /** Phase encoding: its direction, the fraction of k-space that is acquired along it, and the filter of k-space. */
  readonly phase: { readonly along: 'rows' | 'columns'; readonly fraction: number; readonly filter: number };
  /** Motion ghosts along the phase encoding: distance of the first ghost (mm), and its relative strength. */
  readonly ghost: { readonly shift: number; readonly strength: number };
  /** Standard deviation of the noise, as a fraction of the CSF signal. */
  readonly noise: number;
  /** Standard deviation of the point spread function along rows and along columns, in acquired pixels. */
  readonly blur: readonly [number, number];
  /** Strength of the edge enhancement of the vendor. */
  readonly sharpening: number;
  /** Stored value of CSF. */
  readonly gain: number;
}

const MATRICES = [256, 320, 352, 384, 448, 512, 576, 640, 704, 768, 896, 1024];

/** Fractions of studies with a small field of view, with strong coil shading, and with edge enhancement. */
export const SMALL_FIELD_FRACTION = 0.15;
export const STRONG_SHADING_FRACTION = 0.2;
export const SHARPENED_FRACTION = 0.3;

/** Draws the acquisition parameters of a study. */
export function drawAcquisition(random: RandomStream, slices: number): Acquisition {
  const sequence = drawSequence(random);
  const { fieldStrength, suppression } = sequence;
  const lowField = fieldStrength < 1;
  const spacing = Math.max(0.28, Math.min(1.18, 0.58 * Math.exp(random.bounded(0, 0.28))));
  const small = random.chance(SMALL_FIELD_FRACTION);
  const fieldOfView = small ? random.uniform(200, 250) : random.uniform(255, 310);
  const rows = nearest(MATRICES, fieldOfView / spacing);
  const columns = random.chance(0.25) ? nearest(MATRICES, (rows * random.uniform(0.72, 0.92)) | 0) : rows;
  const storedSpacing = round(Math.max(0.28, Math.min(1.18, fieldOfView / rows)), 5);
  const sliceThickness = round(lowField ? random.uniform(4, 5.5) : random.uniform(3, 5), 1);
  const sliceSpacing = round(Math.max(3, Math.min(6.6, sliceThickness * random.uniform(1, 1.25))), 2);
  const wholeSlices = slices > 4 ? random.pick([-1, 0, 0, 0, 1]) : 0;
  const centre = (wholeSlices + random.uniform(-0.35, 0.35)) * sliceSpacing;
  const direction = random.chance(0.7) ? 1 : -1;
  const obliquity = (random.bounded(0, 1.6) * Math.PI) / 180;
  const slicePositions = Array.from(
    { length: slices },
    (_, i) => centre + (direction * (i - (slices - 1) / 2) * sliceSpacing) / Math.cos(obliquity),
  );
  const posterior = random.uniform(0.33, 0.46) * Math.min(260, fieldOfView) + random.bounded(12, 6);
  const strongShading = random.chance(STRONG_SHADING_FRACTION);
  return {
    ...sequence,
    sliceThickness,
    sliceSpacing,
    columns,
    rows,
    spacing: storedSpacing,
    acquired: Math.max(storedSpacing, lowField ? random.uniform(0.8, 1.05) : random.uniform(0.6, 0.85)),
    y0: round(posterior - columns * storedSpacing, 3),
    z0: round((rows * storedSpacing) / 2 + random.bounded(-14, small ? 3 : 8), 3),
    obliquity,
    mirrored: random.chance(0.15),
    slicePositions,
    coilReach: strongShading ? random.uniform(60, 95) : random.uniform(95, 320),
    coilHeight: strongShading ? random.uniform(110, 160) : random.uniform(150, 320),
    shading: strongShading ? random.uniform(0.12, 0.25) : random.uniform(0.03, 0.12),
    saturation: random.chance(0.5)
      ? { gap: random.uniform(6, 22), remaining: random.uniform(0.04, 0.25) }
      : null,
    phase: {
      along: random.chance(0.75) ? 'rows' : 'columns',
      fraction: random.uniform(0.55, 0.95),
      filter: random.uniform(0, 1),
    },
    ghost: { shift: random.uniform(14, 45), strength: random.uniform(0.01, 0.07) },
    noise: drawNoise(random, sequence) * (suppression === 'none' ? 1 : 1.3),
    blur: [random.uniform(0.32, 0.48), random.uniform(0.38, 0.6)],
    sharpening: random.chance(SHARPENED_FRACTION) ? random.uniform(0.3, 1) : 0,
    gain: random.uniform(350, 1600),
  };
}

/** The noise of a series: lognormal, and weaker at a higher field strength. */
export function drawNoise(random: RandomStream, { fieldStrength }: Sequence): number {
  return 0.028 * Math.exp(random.bounded(0, 0.4)) * (1.5 / fieldStrength) ** 0.5;
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

function nearest(values: readonly number[], target: number): number {
  return values.reduce((best, value) => (Math.abs(value - target) < Math.abs(best - target) ? value : best));
}

function round(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}
