/**
 * Disc centres on slices, and their uncertainty. The localizer sees several slightly rotated, scaled and shifted views of
 * a slice; the points are mapped back to the original image. Their mean is the result. Their spread is the uncertainty:
 * views agree on images like those of the training, and scatter on other anatomy.
 */
import { type Affine, LEVELS, type Point } from '../anatomy.js';
import { applyAffine } from '../data/affine.js';
import { noGrad } from '../engine/autograd.js';
import type { Device } from '../engine/device.js';
import { expectFinite } from '../engine/finite.js';
import { type AugmentOptions, augment, augmentGeometry } from '../engine/ops/augment.js';
import { tidy } from '../engine/tensor.js';
import { batches } from './batches.js';
import { ANTERIOR, type Localizer, POINTS } from './localizer.js';
import type { Normalisation } from './normalisation.js';

/** A letterboxed slice, as `letterboxSlice` cuts it. */
export interface LetterboxedSlice {
  /** uint16 [size, size] */
  pixels: Uint16Array;
  toImage: Affine;
}

export interface Located {
  /** From L1/L2 to L5/S1, in pixels of the original image. */
  points: Point[];
  /** Root mean square distance of the views' points from their mean, per level, as a fraction of the slice's side. */
  spread: number[];
  /** x of the anterior point minus x of L3/L4 in the letterboxed slice, as a fraction of its side. */
  anteriorOffset: number;
}

/** Uncertainty of a slice: the mean of the levels' spread. */
export const meanSpread = ({ spread }: Located): number =>
  spread.reduce((sum, value) => sum + value) / spread.length;

/** Views per slice. A single view is not augmented and has no spread. */
export const VIEWS = 8;

const SLICES_PER_BATCH = 4;

const strengths = (size: number): AugmentOptions => ({
  rotation: 8,
  scale: 0.12,
  translation: 0.06 * size,
});

/**
 * Locates the five discs on each slice.
 *
 * @param size side of the slices in pixels
 * @throws SpinegradError ERR_NOT_FINITE if a coordinate is NaN or infinite
 */
export async function locate(
  device: Device,
  localizer: Localizer,
  slices: readonly LetterboxedSlice[],
  size: number,
  normalisation: Normalisation,
  views = VIEWS,
): Promise<Located[]> {
  const located: Located[] = [];
  const keys = { seed: 0, step: 0 };
  const options: AugmentOptions = { ...(views > 1 ? strengths(size) : {}), ...normalisation };
  for (const batch of batches(slices, SLICES_PER_BATCH)) {
    const pixels = new Uint16Array(batch.length * size * size);
    batch.forEach((slice, index) => {
      pixels.set(slice.pixels, index * size * size);
    });
    const rows = Int32Array.from({ length: batch.length * views }, (_, row) => Math.floor(row / views));
    using points = noGrad(() =>
      tidy(() => {
        const bank = device.tensor(pixels, [batch.length, size, size]);
        return localizer.forward(augment(bank, device.tensor(rows), keys, options));
      }),
    );
    const values = await points.data();
    expectFinite(
      values,
      'localizer: coordinates',
      'the weights come from a training that diverged, or the input overflows float32',
    );
    batch.forEach((slice, index) => {
      const perView = Array.from({ length: views }, (_, view) => {
        const row = index * views + view;
        const toSlice = augmentGeometry([size, size], row, keys, options);
        return Array.from({ length: POINTS }, (_, point) => {
          const at = 2 * (row * POINTS + point);
          return applyAffine(toSlice, [values[at]!, values[at + 1]!]);
        });
      });
      located.push(combine(perView, slice.toImage, size));
    });
  }
  return located;
}

/** Mean and spread of the points of all views. */
function combine(perView: readonly Point[][], toImage: Affine, size: number): Located {
  const means = Array.from({ length: POINTS }, (_, index): Point => {
    const mean = (axis: 0 | 1) =>
      perView.reduce((sum, points) => sum + points[index]![axis], 0) / perView.length;
    return [mean(0), mean(1)];
  });
  const spread = LEVELS.map((_, level) => {
    const [x, y] = means[level]!;
    const squares = perView.map((points) => (points[level]![0] - x) ** 2 + (points[level]![1] - y) ** 2);
    return Math.sqrt(squares.reduce((sum, square) => sum + square) / perView.length) / size;
  });
  return {
    points: LEVELS.map((_, level) => applyAffine(toImage, means[level]!)),
    spread,
    anteriorOffset: (means[ANTERIOR]![0] - means[LEVELS.indexOf('L3/L4')]![0]) / size,
  };
}

/** 95th percentile of the mean spread over slices; at least one pixel. */
export function spreadP95(located: readonly Located[], size: number): number {
  const means = located.map(meanSpread).sort((a, b) => a - b);
  return Math.max(means[Math.floor(0.95 * (means.length - 1))] ?? 0, 1 / size);
}
