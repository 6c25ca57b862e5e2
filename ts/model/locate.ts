/** Discs on slices: the maps of the localizer, decoded. */
import { type Affine, LEVELS, type Level, type Point } from '../anatomy.js';
import { applyAffine } from '../data/affine.js';
import { noGrad } from '../engine/autograd.js';
import type { Device } from '../engine/device.js';
import { expectFinite } from '../engine/finite.js';
import { augment } from '../engine/ops/augment.js';
import { tidy } from '../engine/tensor.js';
import { batches } from './batches.js';
import { decode } from './decode.js';
import { type Localizer, MAPS } from './localizer.js';
import type { Normalisation } from './normalisation.js';

/** A letterboxed slice, as `letterboxSlice` cuts it. */
export interface LetterboxedSlice {
  /** uint16 [size, size] */
  pixels: Uint16Array;
  toImage: Affine;
}

export interface LocatedDisc {
  level: Level;
  /** Pixels of the original image. */
  point: Point;
  probability: number;
  levelProbability: number;
}

export interface Located {
  discs: LocatedDisc[];
  spread: number[];
  anteriorOffset: number;
}

export const meanSpread = ({ spread }: Located): number =>
  spread.reduce((sum, value) => sum + value) / spread.length;

const SLICES_PER_BATCH = 8;

/**
 * Locates the discs on each slice.
 *
 * @param size side of the slices in pixels
 * @throws SpinegradError ERR_NOT_FINITE if an output is NaN or infinite
 */
export async function locate(
  device: Device,
  localizer: Localizer,
  slices: readonly LetterboxedSlice[],
  size: number,
  normalisation: Normalisation,
  _views = 1,
): Promise<Located[]> {
  const located: Located[] = [];
  for (const batch of batches(slices, SLICES_PER_BATCH)) {
    const pixels = new Uint16Array(batch.length * size * size);
    batch.forEach((slice, index) => {
      pixels.set(slice.pixels, index * size * size);
    });
    const rows = Int32Array.from(batch, (_, row) => row);
    using output = noGrad(() =>
      tidy(() => {
        const bank = device.tensor(pixels, [batch.length, size, size]);
        return localizer.forward(augment(bank, device.tensor(rows), { seed: 0, step: 0 }, normalisation));
      }),
    );
    const values = await output.data();
    expectFinite(
      values,
      'localizer: output',
      'the weights come from a training that diverged, or the input overflows float32',
    );
    batch.forEach(({ toImage }, index) => {
      const length = values.length / batch.length;
      const own = values.subarray(index * length, (index + 1) * length);
      const discs =
        localizer.kind === 'unet' ? discsOfMaps(own, size, localizer.mapStride) : discsOfPoints(own);
      located.push({
        discs: discs.map((disc) => ({ ...disc, point: applyAffine(toImage, disc.point) })),
        spread: LEVELS.map((name) => (discs.some(({ level }) => level === name) ? 0 : 1)),
        anteriorOffset: 0,
      });
    });
  }
  return located;
}

function discsOfMaps(logits: Float32Array, size: number, mapStride: number): LocatedDisc[] {
  const side = size / mapStride;
  const map = (name: (typeof MAPS)[number]) => {
    const at = MAPS.indexOf(name) * side * side;
    return logits.slice(at, at + side * side).map((z) => 1 / (1 + Math.exp(-z)));
  };
  const { discs } = decode({ width: side, height: side, disc: map('disc'), sacral: map('sacral') }, null);
  const shift = (mapStride - 1) / 2;
  return discs.map(({ level, point: [x, y], probability, levelProbability }) => ({
    level: level as Level,
    point: [mapStride * x + shift, mapStride * y + shift],
    probability,
    levelProbability,
  }));
}

const discsOfPoints = (points: Float32Array): LocatedDisc[] =>
  LEVELS.map((level, index) => ({
    level,
    point: [points[2 * index]!, points[2 * index + 1]!],
    probability: 1,
    levelProbability: 1,
  }));

/** 95th percentile of the mean spread over slices; at least one pixel. */
export function spreadP95(located: readonly Located[], size: number): number {
  const means = located.map(meanSpread).sort((a, b) => a - b);
  return Math.max(means[Math.floor(0.95 * (means.length - 1))] ?? 0, 1 / size);
}
