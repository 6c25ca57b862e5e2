/** The distance of neighbouring points on the training slices. It depends on what the points mark: disc centres or the canal. */
import { DISC_LEVELS } from '../anatomy.js';
import type { SliceRecord } from '../data/types.js';
import { LUMBAR_SHAPE, MEAN_PITCH_MM } from '../model/spineShape.js';

type Annotated = Pick<SliceRecord, 'discs' | 'toImage' | 'pixelSpacing'>;

/** Millimetres per pixel of a bank row. */
export function rowScale({ toImage: [a, , , d], pixelSpacing: [row, column] }: Annotated): number {
  return Math.hypot(a * column, d * row);
}

/**
 * Mean distance of neighbouring lumbar points in mm: that of disc centres times the median ratio of a distance to the mean
 * distance of disc centres of its levels. Slices without two neighbouring levels do not count; without any, disc centres
 * are assumed.
 *
 * @example
 * measurePitch(slices.annotated('train')); // 36 for disc centres, 30 for points of the canal
 */
export function measurePitch(slices: readonly Annotated[]): number {
  const { lengthMm } = LUMBAR_SHAPE;
  const ratios = slices.flatMap((slice) =>
    slice.discs.flatMap(({ level, centre: [x, y] }) => {
      const index = DISC_LEVELS.indexOf(level);
      const above = slice.discs.find((disc) => disc.level === DISC_LEVELS[index - 1]);
      if (above === undefined) return [];
      const expected = lengthMm[Math.min(DISC_LEVELS.length - 1 - index, lengthMm.length - 1)]!;
      return [(rowScale(slice) * Math.hypot(x - above.centre[0], y - above.centre[1])) / expected];
    }),
  );
  const sorted = ratios.sort((p, q) => p - q);
  return MEAN_PITCH_MM * (sorted[sorted.length >> 1] ?? 1);
}
