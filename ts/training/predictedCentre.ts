/** The centre of a disc on a slice by the localizer. A disc that it did not name gets a centre from the discs that it did. */
import { DISC_LEVELS, type Level, type Point } from '../anatomy.js';

export interface NamedDisc {
  level: Level;
  /** Centre in pixels of the image. */
  point: Point;
}

/**
 * The centre of a level: that of the found disc; else on the line through the two nearest found discs, between or beyond
 * them; else the only found disc plus the usual distance.
 *
 * @param found each level at most once
 * @param step from one disc to the next caudal one, in pixels of the image
 * @returns null if no disc was found
 *
 * @example
 * predictedCentre([{ level: 'L3/L4', point: [50, 60] }, { level: 'L5/S1', point: [54, 128] }], 'L4/L5', [0, 35]); // [52, 94]
 */
export function predictedCentre(found: readonly NamedDisc[], level: Level, step: Point): Point | null {
  const rank = DISC_LEVELS.indexOf(level);
  const discs = found
    .map((disc) => ({ ...disc, rank: DISC_LEVELS.indexOf(disc.level) }))
    .sort((a, b) => Math.abs(a.rank - rank) - Math.abs(b.rank - rank) || a.rank - b.rank);
  const [nearest, ...others] = discs;
  if (nearest === undefined) return null;
  if (nearest.rank === rank) return nearest.point;
  // A disc on the other side of the level, so that the centre is between two discs, or the next one on the same side.
  const second = others.find((disc) => disc.rank > rank !== nearest.rank > rank) ?? others[0];
  const [dx, dy] =
    second === undefined
      ? step
      : ([0, 1].map(
          (axis) => (second.point[axis]! - nearest.point[axis]!) / (second.rank - nearest.rank),
        ) as [number, number]);
  const levels = rank - nearest.rank;
  return [nearest.point[0] + levels * dx, nearest.point[1] + levels * dy];
}
