/** Accuracy of the maps of a localizer on annotated slices, for `bench:localizer`. */
import type { Level } from '#spinegrad/anatomy.js';
import type { SliceRecord } from '#spinegrad/data/types.js';
import { decode } from '#spinegrad/model/decode.js';
import { MAPS } from '#spinegrad/model/localizer.js';
import { rowScale } from '#spinegrad/training/pitch.js';

/** The distances of the annotated discs of a slice from the found discs of their levels, in mm; infinite without one. */
export interface ScoredSlice {
  series: string;
  distances: number[];
}

/**
 * Decodes maps and measures the distances.
 *
 * @param maps probabilities of each slice, row-major [slice, map, side, side] in the order of `MAPS`
 * @param size side of the slices in pixels
 */
export function scoreMaps(records: readonly SliceRecord[], maps: Float32Array, size: number): ScoredSlice[] {
  const length = maps.length / records.length;
  const pixels = length / MAPS.length;
  const side = Math.sqrt(pixels);
  const stride = size / side;
  return records.map((record, index) => {
    const map = (name: (typeof MAPS)[number]) => {
      const first = index * length + MAPS.indexOf(name) * pixels;
      return maps.slice(first, first + pixels);
    };
    const mm = rowScale(record);
    const { discs } = decode(
      { width: side, height: side, disc: map('disc'), levels: [map('sacral')] },
      mm * stride,
    );
    const found = new Map(discs.map(({ level, point }) => [level as Level, point]));
    const distances = record.discs.map(({ level, centre }) => {
      const point = found.get(level);
      if (!point) return Number.POSITIVE_INFINITY;
      const [x, y] = point.map((value) => stride * value + (stride - 1) / 2) as [number, number];
      return mm * Math.hypot(x - centre[0], y - centre[1]);
    });
    return { series: record.series, distances };
  });
}

export const median = (values: readonly number[]): number =>
  [...values].sort((p, q) => p - q)[values.length >> 1]!;

/** Head of the table of `scoreLines`. */
export const SCORE_HEAD = [
  '| run | trained with | series | discs | median error | within 5 mm | level right | epoch |',
  '|---|---|---|---:|---:|---:|---:|---:|',
];

/** A line per series and one for all: discs, median error, fraction within 5 mm, slices whose levels are right. */
export function scoreLines(
  run: string,
  name: string,
  slices: readonly ScoredSlice[],
  seconds: readonly number[],
): string[] {
  const epoch = `${median(seconds).toFixed(2)} s`;
  return [...new Set(slices.map(({ series }) => series)), 'all'].map((series) => {
    const chosen = slices.filter((slice) => series === 'all' || slice.series === series);
    const all = chosen.flatMap((slice) => slice.distances);
    const within = all.filter((distance) => distance <= 5).length / all.length;
    // A shifted level displaces every disc by about 36 mm.
    const right = chosen.filter((slice) => median(slice.distances) < 12).length;
    return `| ${run} | ${name} | ${series} | ${all.length} | ${median(all).toFixed(2)} mm | ${(100 * within).toFixed(1)} % | ${right} of ${chosen.length} | ${epoch} |`;
  });
}
