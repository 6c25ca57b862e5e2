/**
 * The latent occlusion of the five levels. A Gaussian Markov chain over the levels (a copula) gives each level a
 * standard normal rank. A piecewise map turns the rank into occlusion; its breakpoints are the ranks at which moderate
 * and severe narrowing begin. The constants are fitted by test/phantom/calibrate.test.ts so that the reported grades,
 * with reader error, have the published frequencies.
 */
import type { RandomStream } from '../random.js';

export const PREVALENCES = ['rsna', 'enriched'] as const;
export type Prevalence = (typeof PREVALENCES)[number];

/** Correlation of the rank of each level with the rank of the level above. */
export const CHAIN: number[] = [0, 0.862, 0.805, 0.673, 0.63];

/** Per level, the ranks at which moderate and severe narrowing begin. */
export const BREAKPOINTS: Record<Prevalence, [moderate: number, severe: number][]> = {
  rsna: [
    [1.862, 2.925],
    [1.405, 2.51],
    [0.961, 1.865],
    [0.862, 1.255],
    [2.342, 2.392],
  ],
  enriched: [
    [0.043, 1.183],
    [0.044, 1.202],
    [-0.027, 0.957],
    [0.094, 0.985],
    [0.264, 1.125],
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
    const [moderate, severe] = BREAKPOINTS[prevalence][level]!;
    if (rank > severe) return Math.min(1.15, SEVERE + 0.3 * (rank - severe));
    if (rank > moderate) return MODERATE + ((SEVERE - MODERATE) * (rank - moderate)) / (severe - moderate);
    const below = moderate - rank;
    return Math.max(0, MODERATE - 0.2 * (1 - Math.exp(-4 * below)) - 0.12 * below);
  });
}
