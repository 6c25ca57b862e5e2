/** A migrated fragment of a herniated disc, in the anterior canal above or below its disc, which displaces the sac. */

import type { RandomStream } from '../random.js';
import { bell } from './canvas.js';
import { weighted } from './weighted.js';

export interface Fragment {
  /** Index of the level of its disc, and its distance from the disc along the canal (caudal is positive), mm. */
  readonly level: number;
  readonly offset: number;
  /** Anteroposterior thickness, and standard deviation along the canal, mm. */
  readonly thickness: number;
  readonly reach: number;
  /** Lateral position (to the left), mm. */
  readonly side: number;
}

/** Fraction of patients with a fragment. */
export const FRAGMENT_FRACTION = 0.12;

/** Standard deviation of the lateral extent, mm. */
const WIDTH = 4.5;

const LEVEL_WEIGHTS = [
  [1, 0.08],
  [2, 0.2],
  [3, 0.42],
  [4, 0.3],
] as const;

export function drawFragment(random: RandomStream): Fragment | null {
  if (!random.chance(FRAGMENT_FRACTION)) return null;
  const caudal = random.chance(0.65);
  return {
    level: weighted<number>(random, LEVEL_WEIGHTS),
    offset: (caudal ? 1 : -1) * random.uniform(3, 8),
    thickness: random.uniform(2.5, 6),
    reach: random.uniform(2, 3.6),
    side: random.bounded(0, 2.5),
  };
}

/** Thickness of the fragment in mm, at `along` mm from its disc and `u` mm left of the midline. */
export function fragmentThickness(fragment: Fragment, along: number, u: number): number {
  return (
    fragment.thickness * bell((along - fragment.offset) / fragment.reach) * bell((u - fragment.side) / WIDTH)
  );
}
