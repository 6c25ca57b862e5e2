/** Spondylolisthesis: a vertebra displaced on the next caudal one. The canal and the neural arch move with the body. */

import type { RandomStream } from '../random.js';
import { L1, VERTEBRAE } from './vertebrae.js';
import { weighted } from './weighted.js';

/** Fraction of patients with a slip if no level is stenotic; a stenotic level doubles it. */
export const SLIP_FRACTION = 0.1;

/** Fraction of the slips that are anterior; the others are retrolistheses. */
export const ANTERIOR_FRACTION = 0.75;

/** Probabilities of the vertebra that slips. */
const ANTERIOR = [
  ['L3', 0.15],
  ['L4', 0.6],
  ['L5', 0.25],
] as const;
const POSTERIOR = [
  ['L2', 0.35],
  ['L3', 0.35],
  ['L5', 0.3],
] as const;

/** Posterior displacement of each vertebra relative to the next caudal one, mm. */
export function drawSlips(random: RandomStream, occlusion: readonly number[]): number[] {
  const slips = VERTEBRAE.map(() => 0);
  const stenotic = occlusion.slice(2).some((narrowing) => narrowing > 0.5);
  if (!random.chance(SLIP_FRACTION * (stenotic ? 2 : 1))) return slips;
  const anterior = random.chance(ANTERIOR_FRACTION);
  const name = weighted<string>(random, anterior ? ANTERIOR : POSTERIOR);
  const distance = anterior ? -random.uniform(3, 8) : random.uniform(2, 4);
  slips[L1 + Number(name[1]) - 1] = distance;
  return slips;
}
