/** The vocabulary of the lumbar spine and of image geometry that every layer shares. */

/** The discs that a lumbar image can show, from cranial to caudal. */
export const DISC_LEVELS = [
  'T9/T10',
  'T10/T11',
  'T11/T12',
  'T12/L1',
  'L1/L2',
  'L2/L3',
  'L3/L4',
  'L4/L5',
  'L5/S1',
] as const;
export type Level = (typeof DISC_LEVELS)[number];

/** The five lumbar discs. */
export const LEVELS = ['L1/L2', 'L2/L3', 'L3/L4', 'L4/L5', 'L5/S1'] as const satisfies readonly Level[];

/** Sides of the patient. */
export const SIDES = ['left', 'right'] as const;
export type Side = (typeof SIDES)[number];

/** Column (x) and row (y) in pixels; the centre of the first pixel is (0, 0). */
export type Point = readonly [x: number, y: number];

/** Patient coordinates in mm: to the left, posteriorly, superiorly (LPS). */
export type PatientPoint = readonly [x: number, y: number, z: number];

/** An upright rectangle in pixels, in the coordinates of `Point`. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

/**
 * Maps a crop's pixel (u, v) to the source image: x = a*u + b*v + c, y = d*u + e*v + f. Crops are always
 * canonical (anterior left, superior up), so the map also holds the flip or rotation that made them so.
 */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];
