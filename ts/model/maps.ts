/**
 * The maps of the localizer for slices. The network sees several slightly rotated, scaled, shifted and mirrored views of a
 * slice. The maps of the views are brought back to the slice and averaged; the maps of the single views show how steady
 * a peak is.
 */

import type { Affine, Point } from '../anatomy.js';
import { applyAffine, invertAffine } from '../data/affine.js';
import { noGrad } from '../engine/autograd.js';
import type { Device } from '../engine/device.js';
import { expectFinite } from '../engine/finite.js';
import { type AugmentOptions, augment, augmentGeometry } from '../engine/ops/augment.js';
import { tidy } from '../engine/tidy.js';
import { batches } from './batches.js';
import type { DiscMaps } from './decode.js';
import { type HeatmapLocalizer, type Localizer, MAPS, type RegressionLocalizer } from './localizer.js';
import type { Normalisation } from './normalisation.js';

export interface SliceMaps extends DiscMaps {
  /** The anterior edge of each disc. */
  anterior: Float32Array;
  /** The disc map of each view, in pixels of `disc`. */
  views: readonly Float32Array[];
  /** Mean distance of neighbouring lumbar points of the localizer's training, in mm. */
  pitchMm: number;
}

/** How letterboxed slices enter a localizer. */
export interface LocalizerInput {
  device: Device;
  /** Side of the letterboxed slices in pixels. */
  size: number;
  normalisation: Normalisation;
}

/** Views per slice. A single view is not augmented. */
export const VIEWS = 8;

const VIEWS_PER_BATCH = 16;

/** The same views in every call. */
const KEYS = { seed: 0, step: 0 };

const strengths = (size: number): AugmentOptions => ({
  rotation: 6,
  scale: 0.1,
  translation: 0.05 * size,
  flip: 0.5,
});

/**
 * The maps of letterboxed slices.
 *
 * @param slices uint16 [size, size] each
 * @throws SpinegradError ERR_NOT_FINITE if a logit is NaN or infinite
 */
export async function mapsOf(
  network: HeatmapLocalizer,
  slices: readonly Uint16Array[],
  input: LocalizerInput,
  views = VIEWS,
): Promise<SliceMaps[]> {
  const { size, normalisation } = input;
  const side = size / network.mapStride;
  const options: AugmentOptions = { ...(views > 1 ? strengths(size) : {}), ...normalisation };
  const results: SliceMaps[] = [];
  for (const batch of batches(slices, Math.max(1, Math.floor(VIEWS_PER_BATCH / views)))) {
    const values = await outputOf(network, batch, input, views, options);
    for (const index of batch.keys()) {
      const perView = Array.from({ length: views }, (_, view) => {
        const row = index * views + view;
        const toMap = mapGeometry(augmentGeometry([size, size], row, KEYS, options), network.mapStride);
        return MAPS.map((_, channel) => {
          const start = (row * MAPS.length + channel) * side * side;
          return resampled(values.subarray(start, start + side * side), side, toMap);
        });
      });
      const [disc, sacral, anterior] = MAPS.map((_, channel) => mean(perView.map((maps) => maps[channel]!)));
      results.push({
        ...{ width: side, height: side, disc: disc!, levels: [sacral!], anterior: anterior! },
        views: perView.map(([map]) => map!),
        pitchMm: network.pitchMm,
      });
    }
  }
  return results;
}

/**
 * The points of a coordinate regression, L1/L2 to L5/S1, in pixels of letterboxed slices.
 *
 * @throws SpinegradError ERR_NOT_FINITE if a coordinate is NaN or infinite
 */
export async function pointsOf(
  network: RegressionLocalizer,
  slices: readonly Uint16Array[],
  input: LocalizerInput,
): Promise<Point[][]> {
  const results: Point[][] = [];
  for (const batch of batches(slices, VIEWS_PER_BATCH)) {
    const values = await outputOf(network, batch, input, 1, input.normalisation);
    const length = values.length / batch.length;
    for (let start = 0; start < values.length; start += length) {
      results.push(
        Array.from({ length: length / 2 }, (_, i) => [values[start + 2 * i]!, values[start + 2 * i + 1]!]),
      );
    }
  }
  return results;
}

/** The output of a network for `views` views of each slice, the views of a slice in succession. */
async function outputOf(
  network: Localizer,
  slices: readonly Uint16Array[],
  { device, size }: LocalizerInput,
  views: number,
  options: AugmentOptions,
): Promise<Float32Array> {
  const pixels = new Uint16Array(slices.length * size * size);
  slices.forEach((slice, index) => {
    pixels.set(slice, index * size * size);
  });
  const rows = Int32Array.from({ length: slices.length * views }, (_, row) => Math.floor(row / views));
  using output = noGrad(() =>
    tidy(() => {
      const bank = device.tensor(pixels, [slices.length, size, size]);
      return network.forward(augment(bank, device.tensor(rows), KEYS, options));
    }),
  );
  const values = await output.data();
  expectFinite(
    values,
    'localizer: output',
    'the weights come from a training that diverged, or the input overflows float32',
  );
  return values;
}

/** Maps exchanged left and right. */
export function mirrorMaps(maps: SliceMaps): SliceMaps {
  const { width } = maps;
  const mirror = (values: Float32Array) =>
    values.map((_, i) => values[i - (i % width) + width - 1 - (i % width)]!);
  return {
    ...maps,
    disc: mirror(maps.disc),
    levels: maps.levels.map(mirror),
    anterior: mirror(maps.anterior),
    views: maps.views.map(mirror),
  };
}

/** The position of the first map pixel: pixel (u, v) of the map is at (stride u + offset, stride v + offset) of the slice. */
export const mapOffset = (stride: number): number => (stride - 1) / 2;

/** From pixels of the map of the slice to pixels of the map of a view, given the map from the view to the slice. */
function mapGeometry(toSlice: Affine, stride: number): Affine {
  const [a, b, c, d, e, f] = invertAffine(toSlice);
  const offset = mapOffset(stride);
  const [x, y] = applyAffine([a, b, c, d, e, f], [offset, offset]);
  return [a, b, (x - offset) / stride, d, e, (y - offset) / stride];
}

/** Probabilities of a map of logits at the pixels of another map, bilinear; 0 outside. */
function resampled(logits: Float32Array, side: number, toMap: Affine): Float32Array {
  const at = (x: number, y: number) =>
    x < 0 || y < 0 || x >= side || y >= side ? 0 : 1 / (1 + Math.exp(-logits[y * side + x]!));
  return Float32Array.from({ length: side * side }, (_, i) => {
    const [x, y] = applyAffine(toMap, [i % side, Math.floor(i / side)]);
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const [p, q] = [x - left, y - top];
    return (
      (1 - q) * ((1 - p) * at(left, top) + p * at(left + 1, top)) +
      q * ((1 - p) * at(left, top + 1) + p * at(left + 1, top + 1))
    );
  });
}

function mean(maps: readonly Float32Array[]): Float32Array {
  return maps[0]!.map((_, i) => maps.reduce((sum, map) => sum + map[i]!, 0) / maps.length);
}
