/** Compression fractures: a wedge or a biconcave body of smaller height, with oedema if it is recent. */

import type { RandomStream } from '../random.js';
import { VERTEBRAE } from './vertebrae.js';
import { weighted } from './weighted.js';

export interface Fracture {
  /** Loss of height at the anterior wall, and at the centre of the body, as fractions. */
  readonly anterior: number;
  readonly central: number;
  /** Fraction of the marrow that is replaced by oedema. */
  readonly oedema: number;
}

/** Fraction of patients with a fracture. */
export const FRACTURE_FRACTION = 0.1;

/** Relative frequencies of the vertebra; the thoracolumbar junction breaks most often. */
const SITES = [
  ['T11', 0.08],
  ['T12', 0.22],
  ['L1', 0.28],
  ['L2', 0.17],
  ['L3', 0.12],
  ['L4', 0.09],
  ['L5', 0.04],
] as const;

/** The fracture of each vertebra, or null. */
export function drawFractures(random: RandomStream): (Fracture | null)[] {
  const fractures = VERTEBRAE.map((): Fracture | null => null);
  if (!random.chance(FRACTURE_FRACTION)) return fractures;
  const count = random.chance(0.3) ? 2 : 1;
  for (let i = 0; i < count; i++) {
    const name = weighted<string>(random, SITES);
    const loss = random.uniform(0.18, 0.45);
    const wedge = random.chance(0.6);
    fractures[VERTEBRAE.indexOf(name)] = {
      anterior: wedge ? loss : loss * 0.4,
      central: wedge ? loss * 0.6 : loss,
      oedema: random.chance(0.35) ? random.uniform(0.5, 0.95) : 0,
    };
  }
  return fractures;
}
