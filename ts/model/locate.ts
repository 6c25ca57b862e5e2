/**
 * Disc centres on slices, and how far to trust them. A slice is shown to the localizer in several slightly turned,
 * scaled and shifted views; the points that come back are moved to the original image. Their mean is the answer and
 * their spread the doubt: on what the network was made for the views agree, on other anatomy they scatter.
 */

import { type Affine, LEVELS, type Point } from '../anatomy.js';
import { applyAffine } from '../data/affine.js';
import type { SliceRecord } from '../data/types.js';
import { noGrad } from '../engine/autograd.js';
import type { Device } from '../engine/device.js';
import { expectFinite } from '../engine/finite.js';
import { type AugmentOptions, augment, augmentGeometry } from '../engine/ops/augment.js';
import { tidy } from '../engine/tensor.js';
import { batches, type Normalisation } from '../training/discs.js';
import { FRONT, type Localizer, POINTS } from './localizer.js';

/** A letterboxed slice, as `letterboxSlice` cuts it. */
export interface LetterboxedSlice {
  /** uint16 [size, size] */
  pixels: Uint16Array;
  toImage: Affine;
}

export interface Located {
  /** From L1/L2 to L5/S1, in pixels of the original image. */
  points: Point[];
  /** Root mean square distance of the views' points from their mean, per level, as a share of the slice's side. */
  spread: number[];
  /** How far the patient's front lies to the right of L3/L4 in the letterboxed slice, as a share of the side. */
  front: number;
}

/** The doubt about a slice as a whole. */
export const meanSpread = ({ spread }: Located): number =>
  spread.reduce((sum, value) => sum + value) / spread.length;

/** Views of a slice; one is the slice as it is, and says nothing of the spread. */
export const VIEWS = 8;

const SLICES_A_BATCH = 4;

const strengths = (size: number): AugmentOptions => ({
  rotation: 8,
  scale: 0.12,
  translation: 0.06 * size,
});

/** @throws SpinegradError ERR_NOT_FINITE if a coordinate is NaN or infinite */
export async function locate(
  device: Device,
  localizer: Localizer,
  slices: readonly LetterboxedSlice[],
  size: number,
  normalisation: Normalisation,
  views = VIEWS,
): Promise<Located[]> {
  const found: Located[] = [];
  const keys = { seed: 0, step: 0 };
  const options: AugmentOptions = { ...(views > 1 ? strengths(size) : {}), ...normalisation };
  for (const batch of batches(slices, SLICES_A_BATCH)) {
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
      'the weights are of a training that diverged, or the input overflows float32',
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
      found.push(agreed(perView, slice.toImage, size));
    });
  }
  return found;
}

function agreed(perView: readonly Point[][], toImage: Affine, size: number): Located {
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
    front: (means[FRONT]![0] - means[LEVELS.indexOf('L3/L4')]![0]) / size,
  };
}

/** The rows of the bank's tensor `slices` that some records stand for. */
export function letterboxed(
  slices: Uint16Array,
  size: number,
  records: readonly SliceRecord[],
): LetterboxedSlice[] {
  return records.map(({ row, toImage }) => ({
    pixels: slices.subarray(row * size * size, (row + 1) * size * size),
    toImage,
  }));
}

/** What the mean spread of a slice seldom exceeds: the 95th percentile over slices, or a pixel where there are none. */
export function usualSpread(located: readonly Located[], size: number): number {
  const means = located.map(meanSpread).sort((a, b) => a - b);
  return Math.max(means[Math.floor(0.95 * (means.length - 1))] ?? 0, 1 / size);
}
