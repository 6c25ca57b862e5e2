/**
 * Checks the pixel spacing of a series against its annotated discs. Files, tables and resampled images are wrong about it
 * often enough.
 */
import { DISC_LEVELS } from '../anatomy.js';
import type { AnnotatedDisc } from './layouts/layout.js';

/**
 * Distance of neighbouring disc centres in mm. Lumbar levels of adults are 26 to 46 mm high; 35 mm is assumed if the
 * spacing is not known.
 */
export const PITCH_MM = { min: 26, max: 46, assumed: 35 };

/** A given spacing is replaced only if at least this number of distances contradicts it. */
const MIN_DISTANCES = 2;

type Spacing = readonly [row: number, column: number];
/** The fields of a disc that decide about spacing and orientation. */
export type Marked = Pick<AnnotatedDisc, 'level' | 'side' | 'centre'>;

/** Pairs of discs at neighbouring levels, cranial disc first. */
export function neighbouringPairs(discs: readonly Marked[]): [Marked, Marked][] {
  return discs.flatMap((disc): [Marked, Marked][] => {
    const next = DISC_LEVELS[DISC_LEVELS.indexOf(disc.level) + 1];
    const below = discs.find(({ level, side }) => level === next && side === disc.side);
    return below === undefined ? [] : [[disc, below]];
  });
}

/** A spacing and, if it replaces another one, the reason. */
export interface CheckedSpacing {
  pixelSpacing: Spacing;
  reason: string | null;
}

/**
 * The spacing of a series. If the median distance of neighbouring discs is outside PITCH_MM, or if there is no spacing, the
 * spacing is that for which the median is 35 mm.
 *
 * @param given of the file or table; null if there is none
 * @returns null if there is no spacing and no pair of neighbouring discs
 */
export function checkSpacing(discs: readonly Marked[], given: Spacing | null): CheckedSpacing | null {
  const [rowSpacing, columnSpacing] = given ?? [1, 1];
  const distances = neighbouringPairs(discs).map(([{ centre: a }, { centre: b }]) =>
    Math.hypot((a[0] - b[0]) * columnSpacing, (a[1] - b[1]) * rowSpacing),
  );
  const pitch = median(distances);
  const replaced = (found: string): CheckedSpacing => {
    const factor = PITCH_MM.assumed / pitch!;
    const pixelSpacing: Spacing = [rowSpacing * factor, columnSpacing * factor];
    const reason = `${found}; scaled so that the median distance of neighbouring discs is ${PITCH_MM.assumed} mm (${pixelSpacing.map((mm) => mm.toFixed(3)).join(', ')} mm per pixel)`;
    return { pixelSpacing, reason };
  };
  if (given === null) return pitch === null ? null : replaced('the pixel spacing is missing');
  const plausible = pitch === null || (pitch >= PITCH_MM.min && pitch <= PITCH_MM.max);
  if (plausible || distances.length < MIN_DISTANCES) return { pixelSpacing: given, reason: null };
  return replaced(
    `with the pixel spacing ${given.join(', ')} mm the median distance of neighbouring discs is ${pitch.toFixed(1)} mm, ` +
      `expected ${PITCH_MM.min} to ${PITCH_MM.max}`,
  );
}

/** The lower one of the two middle values if their number is even. */
function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? null;
}
