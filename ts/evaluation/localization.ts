import { LEVELS, type Level, type Point } from '../anatomy.js';
import { SpinegradError } from '../error.js';
import type { LocalizationError, LocalizationSummary } from './types.js';

/** Disc centres of one slice in pixels of the original image; null if a level has none. */
export type Centres = Partial<Record<Level, Point | null>>;

const fractionWithin = (values: readonly number[], limit: number) =>
  values.length > 0 ? values.filter((value) => value <= limit).length / values.length : null;

const rootMeanSquare = (values: readonly number[]) =>
  values.length > 0 ? Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length) : null;

function summarise(pixels: readonly number[], millimetres: readonly number[]): LocalizationError {
  return {
    rmsePx: rootMeanSquare(pixels),
    rmseMm: rootMeanSquare(millimetres),
    n: pixels.length,
    within5Mm: fractionWithin(millimetres, 5),
    within10Mm: fractionWithin(millimetres, 10),
  };
}

/**
 * Distances between predicted and annotated disc centres: root mean square of the Euclidean distance in pixels and in
 * mm, and the fractions within 5 and 10 mm, over all discs and per level. Discs without an annotation or a prediction
 * are ignored; a level without any has n = 0.
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
  const pixels = new Map(LEVELS.map((level) => [level, [] as number[]]));
  const millimetres = new Map(LEVELS.map((level) => [level, [] as number[]]));
  truth.forEach((centres, i) => {
    for (const level of LEVELS) {
      const p = predicted[i]![level];
      const t = centres[level];
      if (!p || !t) continue;
      const dx = p[0] - t[0];
      const dy = p[1] - t[1];
      pixels.get(level)!.push(Math.hypot(dx, dy));
      millimetres.get(level)!.push(Math.hypot(dx * spacing[i]![1], dy * spacing[i]![0]));
    }
  });
  const perLevel = LEVELS.map((level) => [level, summarise(pixels.get(level)!, millimetres.get(level)!)]);
  return {
    ...summarise([...pixels.values()].flat(), [...millimetres.values()].flat()),
    perLevel: Object.fromEntries(perLevel),
  };
}
