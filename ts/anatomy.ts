/** The vocabulary of the lumbar spine and of image geometry that every layer shares. */

export const LEVELS = ['L1/L2', 'L2/L3', 'L3/L4', 'L4/L5', 'L5/S1'] as const;
export type Level = (typeof LEVELS)[number];

/** Column (x) and row (y) in pixels; the centre of the first pixel is (0, 0). */
export type Point = readonly [x: number, y: number];

/**
 * Maps a crop's pixel (u, v) to the source image: x = a*u + b*v + c, y = d*u + e*v + f. Crops are always
 * canonical (anterior left, superior up), so the map also holds the flip or rotation that made them so.
 */
export type Affine = readonly [a: number, b: number, c: number, d: number, e: number, f: number];
