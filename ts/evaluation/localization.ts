import { LEVELS, type Level, type Point } from '../anatomy.js';
import { SpinegradError } from '../error.js';
import type { LocalizationError, LocalizationSummary } from './types.js';

/** Disc centres of one slice in pixels of the original image; null if a level has none. */
export type Centres = Partial<Record<Level, Point | null>>;

/** Distances of the annotated discs from the predicted ones; infinite if a disc was not found. */
interface Distances {
  pixels: number[];
  millimetres: number[];
}

const fractionWithin = (values: readonly number[], limit: number) =>
  values.length > 0 ? values.filter((value) => value <= limit).length / values.length : null;

const rootMeanSquare = (values: readonly number[]) =>
  values.length > 0 ? Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length) : null;

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const value = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return value !== undefined && Number.isFinite(value) ? value : null;
}

function summarise({ pixels, millimetres }: Distances): LocalizationError {
  const found = millimetres.filter(Number.isFinite);
  return {
    rmsePx: rootMeanSquare(pixels.filter(Number.isFinite)),
    rmseMm: rootMeanSquare(found),
    medianMm: median(millimetres),
    n: millimetres.length,
    found: found.length,
    within5Mm: fractionWithin(millimetres, 5),
    within10Mm: fractionWithin(millimetres, 10),
  };
}

/**
 * Distances between predicted and annotated disc centres in pixels and in mm, over all discs and per level: root mean
 * square, median, and the fractions within 5 and 10 mm. A disc that was not found is outside both and enters the median
 * as infinite; the root mean square is that of the found discs. A level without an annotation has n = 0.
 *
 * @param predicted one entry per slice
 * @param truth one entry per slice
 * @param spacing (row spacing, column spacing) of each slice in mm, (0028,0030)
 * @throws SpinegradError ERR_EVALUATION if the three differ in length
 */
export function localizationErrors(
  predicted: readonly Centres[],
  truth: readonly Centres[],
  spacing: readonly (readonly [row: number, column: number])[],
): LocalizationSummary {
  if (predicted.length !== truth.length || spacing.length !== truth.length) {
    const found = `${predicted.length} predicted, ${truth.length} truth, ${spacing.length} spacing`;
    throw new SpinegradError(
      'ERR_EVALUATION',
      `localizationErrors: found ${found}, expected one of each per slice`,
    );
  }
  const byLevel = LEVELS.map((level): [Level, Distances] => [level, { pixels: [], millimetres: [] }]);
  truth.forEach((centres, i) => {
    const [rowSpacing, columnSpacing] = spacing[i]!;
    for (const [level, { pixels, millimetres }] of byLevel) {
      const p = predicted[i]![level];
      const t = centres[level];
      if (!t) continue;
      const [dx, dy] = p ? [p[0] - t[0], p[1] - t[1]] : [Infinity, Infinity];
      pixels.push(Math.hypot(dx, dy));
      millimetres.push(Math.hypot(dx * columnSpacing, dy * rowSpacing));
    }
  });
  const all = byLevel.map(([, distances]) => distances);
  return {
    ...summarise({
      pixels: all.flatMap(({ pixels }) => pixels),
      millimetres: all.flatMap(({ millimetres }) => millimetres),
    }),
    perLevel: Object.fromEntries(byLevel.map(([level, distances]) => [level, summarise(distances)])),
  };
}
