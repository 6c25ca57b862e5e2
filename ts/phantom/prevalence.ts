/**
 * How often, and together with which neighbours, a level is narrow. A chain of Gaussians (a copula: level i leans on
 * level i-1) gives each level a rank; a piecewise linear map turns rank into occlusion of the canal, with its bends at
 * the ranks where moderate and severe grades begin. The constants are fitted (test/phantom/calibrate.test.ts) so that the
 * grades a noisy reader sees, not the latents, have the published frequencies.
 */
import type { RandomStream } from '../random.js';

export const PREVALENCES = ['rsna', 'enriched'] as const;
export type Prevalence = (typeof PREVALENCES)[number];

/** Correlation of each level's rank with that of the level above. */
export const CHAIN: number[] = [0, 0.861, 0.808, 0.675, 0.612];

/** Per level, the ranks (standard deviations) where moderate and severe narrowing begin. */
export const BENDS: Record<Prevalence, [moderate: number, severe: number][]> = {
  rsna: [
    [1.888, 2.88],
    [1.413, 2.49],
    [0.959, 1.861],
    [0.856, 1.261],
    [2.341, 2.392],
  ],
  enriched: [
    [0.042, 1.121],
    [0.05, 1.16],
    [-0.023, 0.936],
    [0.086, 0.961],
    [0.255, 1.09],
  ],
};

/** Occlusion at which a reader begins to see moderate and severe stenosis, on average. */
const MODERATE = 0.5;
const SEVERE = 0.78;

/** Latent narrowing of L1/L2 to L5/S1: 0 none, 1 and more no room left. */
export function drawOcclusion(random: RandomStream, prevalence: Prevalence): number[] {
  let rank = 0;
  return CHAIN.map((correlation, level) => {
    rank = correlation * rank + Math.sqrt(1 - correlation * correlation) * random.normal();
    const [moderate, severe] = BENDS[prevalence][level]!;
    if (rank > severe) return Math.min(1.15, SEVERE + 0.3 * (rank - severe));
    if (rank > moderate) return MODERATE + ((SEVERE - MODERATE) * (rank - moderate)) / (severe - moderate);
    const below = moderate - rank;
    return Math.max(0, MODERATE - 0.2 * (1 - Math.exp(-4 * below)) - 0.12 * below);
  });
}
