/**
 * The latent occlusion of the five levels. A Gaussian Markov chain over the levels (a copula) gives each level a
 * standard normal rank. A piecewise map turns the rank into occlusion; its breakpoints are the ranks at which moderate
 * and severe narrowing begin. The constants are fitted by test/phantom/calibrate.test.ts so that the reported grades,
 * with reader error, have the published frequencies.
 */
import type { RandomStream } from '../random.js';
import type { Narrowing } from './lateral.js';

export const PREVALENCES = ['rsna', 'enriched'] as const;
export type Prevalence = (typeof PREVALENCES)[number];

/** Correlation of the rank of each level with the rank of the level above. */
export const CHAIN: number[] = [0, 0.833, 0.806, 0.626, 0.581];

/** Per level, the ranks at which moderate and severe narrowing begin. */
export const BREAKPOINTS: Record<Prevalence, [moderate: number, severe: number][]> = {
  rsna: [
    [1.848, 2.918],
    [1.403, 2.556],
    [1.047, 1.977],
    [1.015, 1.291],
    [2.725, 2.775],
  ],
  enriched: [
    [0.044, 1.193],
    [0.055, 1.229],
    [0.028, 1.06],
    [0.187, 1.128],
    [0.354, 1.242],
  ],
};

/** Occlusion at which moderate and severe stenosis begin, on average over readers. */
const MODERATE = 0.5;
const SEVERE = 0.78;

/** Draws the latent occlusion of L1/L2 to L5/S1: 0 none, 1 or more no space left. */
export function drawOcclusion(random: RandomStream, prevalence: Prevalence): number[] {
  let rank = 0;
  return CHAIN.map((correlation, level) => {
    rank = correlation * rank + Math.sqrt(1 - correlation * correlation) * random.normal();
    return occlusionOf(rank, BREAKPOINTS[prevalence][level]!);
  });
}

export type LateralZone = 'foramen' | 'recess';

/** The breakpoints of foramina and lateral recesses, equal on both sides. */
export const LATERAL_BREAKPOINTS: Record<
  LateralZone,
  Record<Prevalence, [moderate: number, severe: number][]>
> = {
  foramen: {
    rsna: [
      [1.88, 2.88],
      [1.28, 2.33],
      [0.74, 1.88],
      [0.31, 1.48],
      [0.31, 1.34],
    ],
    enriched: [
      [-0.07, 0.67],
      [-0.07, 0.67],
      [-0.07, 0.67],
      [-0.07, 0.67],
      [-0.07, 0.67],
    ],
  },
  recess: {
    rsna: [
      [1.55, 2.2],
      [0.84, 1.62],
      [0.39, 1.22],
      [-0.13, 0.66],
      [0.44, 1.16],
    ],
    enriched: [
      [-0.08, 0.56],
      [-0.08, 0.56],
      [-0.08, 0.56],
      [-0.08, 0.56],
      [-0.08, 0.56],
    ],
  },
};

/** Correlations of the ranks of neighbouring levels on one side, and of the two sides of a level. */
const LATERAL_CHAIN = 0.5;
const SIDES_SHARED = 0.6;

/** Draws the latent narrowing of both sides of L1/L2 to L5/S1. */
export function drawLateral(random: RandomStream, zone: LateralZone, prevalence: Prevalence): Narrowing {
  const ranks = [0, 0, 0];
  const levels = LATERAL_BREAKPOINTS[zone][prevalence].map((breakpoints, level) => {
    const correlation = level === 0 ? 0 : LATERAL_CHAIN;
    for (const [i, rank] of ranks.entries()) {
      ranks[i] = correlation * rank + Math.sqrt(1 - correlation * correlation) * random.normal();
    }
    const [shared, left, right] = ranks as [number, number, number];
    const narrowing = (own: number) =>
      occlusionOf(Math.sqrt(SIDES_SHARED) * shared + Math.sqrt(1 - SIDES_SHARED) * own, breakpoints);
    return { left: narrowing(left), right: narrowing(right) };
  });
  return { left: levels.map(({ left }) => left), right: levels.map(({ right }) => right) };
}

/** Maps a standard normal rank to occlusion. */
function occlusionOf(rank: number, [moderate, severe]: readonly [number, number]): number {
  if (rank > severe) return Math.min(1.15, SEVERE + 0.3 * (rank - severe));
  if (rank > moderate) return MODERATE + ((SEVERE - MODERATE) * (rank - moderate)) / (severe - moderate);
  const below = moderate - rank;
  return Math.max(0, MODERATE - 0.2 * (1 - Math.exp(-4 * below)) - 0.12 * below);
}
