/**
 * Checks the orientation of a sagittal slice against its annotated discs. The order of the levels shows the superior side.
 * The lordosis shows the anterior side: below L4/L5 the lumbar spine turns posteriorly. docs/data.md has the turn of the SPIDER
 * slices.
 */
import type { Level, Point } from '../anatomy.js';
import { canonicalOrientation } from '../dicom/geometry.js';
import type { Geometry } from '../dicom/types.js';
import type { Skipped } from '../error.js';
import { CANONICAL_GEOMETRY, type PatientAxis } from './series.js';
import { type Marked, neighbouringPairs } from './spacing.js';

/** Minimum turn that shows the anterior side, in degrees. */
const MIN_TURN = 3;

export interface CheckedOrientation {
  /** Axes of the geometry that have to be reflected. */
  reflected: PatientAxis[];
  /** What is corrected, assumed or doubtful. */
  notices: Omit<Skipped, 'path'>[];
}

/**
 * Compares the orientation with the discs. Superior is corrected, and so is anterior if the files state no orientation. A
 * header that contradicts the lordosis is only reported.
 *
 * @param geometry of the slice; null: anterior is assumed on the left and superior at the top
 * @param spacing between rows and between columns; only the ratio matters
 */
export function checkOrientation(
  discs: readonly Marked[],
  geometry: Geometry | null,
  spacing: readonly [number, number],
): CheckedOrientation {
  const checked: CheckedOrientation = { reflected: [], notices: [] };
  const notice = (code: Skipped['code'], message: string) => checked.notices.push({ code, message });
  if (isUpsideDown(discs, geometry)) {
    checked.reflected.push('superior');
    notice(
      'ERR_UPSIDE_DOWN',
      'by the annotated levels superior is at the bottom of the image; it is reflected',
    );
  }
  const turn = posteriorTurn(discs, geometry, spacing);
  const found = 'by the lordosis of the annotated discs anterior is';
  if (turn === null || Math.abs(turn) < MIN_TURN) {
    if (geometry !== null) return checked;
    notice('ERR_ANTERIOR_ASSUMED', 'the images state no orientation; anterior is assumed on the left');
  } else if (turn < 0 && geometry === null) {
    checked.reflected.push('anterior');
    notice('ERR_MIRRORED', `${found} on the right of the image; it is reflected`);
  } else if (turn < 0) {
    notice('ERR_ANTERIOR_DOUBTFUL', `${found} on the side that the header states as posterior; header used`);
  }
  return checked;
}

/**
 * Whether the levels of a sagittal slice run from bottom to top in an image that should have superior at the top.
 *
 * @param geometry of the slice; null: superior is assumed to be at the top
 */
export function isUpsideDown(discs: readonly Marked[], geometry: Geometry | null): boolean {
  const signs = neighbouringPairs(discs).map(([above, below]) =>
    Math.sign(toPatientPlane(geometry, above.centre, below.centre)[1]),
  );
  return signs.reduce((sum, sign) => sum + sign, 0) < 0;
}

/**
 * The turn below L4/L5 in degrees, positive towards posterior: the angle from the line between the topmost lumbar disc and
 * L4/L5 to the line between L4/L5 and L5/S1. Null unless these two and L1/L2 or L2/L3 are marked; a line that starts at
 * L3/L4 is too short.
 */
export function posteriorTurn(
  discs: readonly Marked[],
  geometry: Geometry | null,
  spacing: readonly [number, number],
): number | null {
  const side = discs.find(({ level }) => level === 'L5/S1')?.side;
  const at = (name: Level) => discs.find((disc) => disc.level === name && disc.side === side)?.centre;
  const [top, middle, bottom] = [at('L1/L2') ?? at('L2/L3'), at('L4/L5'), at('L5/S1')];
  if (top === undefined || middle === undefined || bottom === undefined) return null;
  const upper = toPatientPlane(geometry, top, middle, spacing);
  const lower = toPatientPlane(geometry, middle, bottom, spacing);
  // The sign accounts for an image that is upside down.
  const angle = ([posterior, inferior]: Point) => Math.atan2(posterior, inferior * Math.sign(upper[1]));
  return ((angle(lower) - angle(upper)) * 180) / Math.PI;
}

/** The vector between two points of the image in the directions posterior and inferior. */
function toPatientPlane(
  geometry: Geometry | null,
  from: Point,
  to: Point,
  [rowSpacing, columnSpacing]: readonly [number, number] = [1, 1],
): Point {
  const [a, b, , d, e] = canonicalOrientation(geometry ?? CANONICAL_GEOMETRY, 1, 1).toImage;
  const [x, y] = [(to[0] - from[0]) * columnSpacing, (to[1] - from[1]) * rowSpacing];
  return [a * x + d * y, b * x + e * y];
}
