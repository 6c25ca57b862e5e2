/** One sagittal slice of a phantom with the centres of all its visible discs, for training a localizer. No file is written. */
import { DISC_LEVELS, type Level, type Point } from '../anatomy.js';
import { Painter } from './painter.js';
import { drawStudy, type PhantomSeries, sagittalT1 } from './study.js';
import { toPixel } from './toPixel.js';

export interface DiscSlice {
  series: PhantomSeries;
  /** Row-major [rows, columns]; anterior is left, superior is up. */
  pixels: Uint16Array;
  rows: number;
  columns: number;
  /** Size of the square pixels in mm. */
  spacing: number;
  /** From cranial to caudal, in pixels. */
  discs: { level: Level; centre: Point }[];
}

/**
 * Draws the slice of study `index` of a seed that is closest to the midline.
 *
 * @example
 * drawDiscSlice(1, 0, 'Sagittal T1').discs.map(({ level }) => level); // ['T10/T11', ..., 'L5/S1']
 */
export function drawDiscSlice(
  seed: number,
  index: number,
  series: 'Sagittal T2/STIR' | 'Sagittal T1',
): DiscSlice {
  const t2 = drawStudy(seed, index, 'rsna', 1);
  const drawn = series === 'Sagittal T1' ? sagittalT1(t2) : t2;
  const acquisition = { ...drawn.acquisition, mirrored: false };
  const study = { ...drawn, acquisition };
  const { rows, columns, spacing, slicePositions } = acquisition;
  const distances = slicePositions.map((x) => Math.abs(x - study.spine.midline(0)));
  const middle = distances.indexOf(Math.min(...distances));
  const discs = DISC_LEVELS.flatMap((level, i) => {
    const { y, z } = study.spine.discs[i]!;
    const centre = toPixel(study, y, z);
    const inside = Math.min(...centre) >= 0 && centre[0] <= columns - 1 && centre[1] <= rows - 1;
    return inside ? [{ level, centre }] : [];
  });
  return { series, pixels: new Painter(study).pixels(middle), rows, columns, spacing, discs };
}
