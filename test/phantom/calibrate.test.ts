/**
 * Not a test: fits the constants of ts/phantom/prevalence.ts and prints what to put there. It runs only when asked:
 *
 *     SPINEGRAD_CALIBRATE=3000 npx vitest run test/phantom/calibrate.test.ts
 *
 * (the number of studies a round). A round reads the grades of fresh studies, without rendering, and moves each bend
 * by the difference, in standard deviations, between the wanted and the found frequency.
 */
import { it } from 'vitest';
import { BENDS, CHAIN } from '#spinegrad/phantom/prevalence.js';
import { NEIGHBOURS, RSNA_COUNTS, readings, spearman } from './statistics.js';

const studies = Number(process.env.SPINEGRAD_CALIBRATE ?? 0);
const ROUNDS = 9;

/** Shares of moderate-or-severe and of severe. */
const WANTED = {
  rsna: RSNA_COUNTS.map(([normal, moderate, severe]) => {
    const all = normal + moderate + severe;
    return [(moderate + severe) / all, severe / all];
  }),
  enriched: RSNA_COUNTS.map(() => [0.5, 0.25]),
};

it.runIf(studies > 0)('calibrates the prevalence', { timeout: 3_600_000 }, () => {
  for (const prevalence of ['rsna', 'enriched'] as const) {
    for (let round = 0; round < ROUNDS; round++) {
      const read = readings(round + 100, studies, prevalence).map((rows) => rows.map((row) => row.readGrade));
      const gain = 1 / (1 + round / 3);
      for (const [level, bends] of BENDS[prevalence].entries()) {
        for (const i of [0, 1] as const) {
          const found = read.filter((row) => row[level]! > i).length / studies;
          bends[i] += gain * (above(WANTED[prevalence][level]![i]!) - above(Math.max(found, 0.5 / studies)));
        }
        bends[1] = Math.max(bends[1], bends[0] + 0.05);
        if (level === 0 || prevalence === 'enriched') continue;
        const column = (l: number) => read.map((row) => row[l]!);
        const found = spearman(column(level - 1), column(level));
        CHAIN[level] = Math.max(0, Math.min(0.97, CHAIN[level]! + 0.7 * gain * (NEIGHBOURS[level]! - found)));
      }
    }
    const rounded = (values: readonly number[]) => values.map((value) => Number(value.toFixed(3)));
    console.log(prevalence, JSON.stringify(BENDS[prevalence].map(rounded)), JSON.stringify(rounded(CHAIN)));
  }
});

/** The standard normal deviate above which this share lies, by bisection over Simpson's rule. */
function above(share: number): number {
  let low = -6;
  let high = 6;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (tail(middle) > share) low = middle;
    else high = middle;
  }
  return low;
}

function tail(x: number): number {
  const steps = 400;
  const width = (8 - x) / steps;
  let sum = 0;
  for (let i = 0; i <= steps; i++) {
    const weight = i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2;
    sum += weight * Math.exp(-0.5 * (x + i * width) ** 2);
  }
  return (sum * width) / 3 / Math.sqrt(2 * Math.PI);
}
