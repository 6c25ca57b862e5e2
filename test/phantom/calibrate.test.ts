/**
 * Not a test: fits and prints the constants of ts/phantom/prevalence.ts. SPINEGRAD_CALIBRATE is the number of studies
 * per round; without it, this file does nothing.
 *
 * SPINEGRAD_CALIBRATE=3000 npx vitest run test/phantom/calibrate.test.ts
 *
 * Each round grades new studies, without rendering, and moves each breakpoint by the difference between the target and
 * the measured frequency, in standard normal deviates.
 */
import { it } from 'vitest';
import { BREAKPOINTS, CHAIN, LATERAL_BREAKPOINTS } from '#spinegrad/phantom/prevalence.js';
import {
  LATERAL_FREQUENCIES,
  lateralReadings,
  NEIGHBOURS,
  RSNA_COUNTS,
  readings,
  spearman,
} from './statistics.js';

const studies = Number(process.env.SPINEGRAD_CALIBRATE ?? 0);
const ROUNDS = 9;

/** Per level, the frequency of moderate or severe, and of severe. */
const TARGET = {
  rsna: RSNA_COUNTS.map(([normal, moderate, severe]) => {
    const total = normal + moderate + severe;
    return [(moderate + severe) / total, severe / total];
  }),
  enriched: RSNA_COUNTS.map(() => [0.5, 0.25]),
};

it.runIf(studies > 0)('calibrates the prevalence', { timeout: 3_600_000 }, () => {
  for (const prevalence of ['rsna', 'enriched'] as const) {
    for (let round = 0; round < ROUNDS; round++) {
      const grades = readings(round + 100, studies, prevalence).map((rows) =>
        rows.map((row) => row.reportedGrade),
      );
      const gain = 1 / (1 + round / 3);
      for (const [level, breakpoints] of BREAKPOINTS[prevalence].entries()) {
        const column = (l: number) => grades.map((row) => row[l]!);
        adjust(breakpoints, column(level), TARGET[prevalence][level]!, gain);
        if (level === 0 || prevalence === 'enriched') continue;
        const correlation = spearman(column(level - 1), column(level));
        CHAIN[level] = Math.max(
          0,
          Math.min(0.97, CHAIN[level]! + 0.7 * gain * (NEIGHBOURS[level]! - correlation)),
        );
      }
    }
    console.log(
      prevalence,
      JSON.stringify(BREAKPOINTS[prevalence].map(rounded)),
      JSON.stringify(rounded(CHAIN)),
    );
  }
});

it.runIf(studies > 0)('calibrates foramina and recesses', { timeout: 3_600_000 }, () => {
  for (const zone of ['foramen', 'recess'] as const) {
    for (const prevalence of ['rsna', 'enriched'] as const) {
      for (let round = 0; round < ROUNDS; round++) {
        const grades = lateralReadings(zone, round + 100, Math.ceil(studies / 2), prevalence);
        for (const [level, breakpoints] of LATERAL_BREAKPOINTS[zone][prevalence].entries()) {
          const target = LATERAL_FREQUENCIES[zone][prevalence][level]!;
          const column = grades.filter((each) => each.level === level).map((each) => each.reportedGrade);
          adjust(breakpoints, column, target, 1 / (1 + round / 3));
        }
      }
      console.log(zone, prevalence, JSON.stringify(LATERAL_BREAKPOINTS[zone][prevalence].map(rounded)));
    }
  }
});

/** Moves the breakpoints of a level towards the target frequencies of moderate or severe, and of severe. */
function adjust(
  breakpoints: [number, number],
  grades: readonly number[],
  target: readonly number[],
  gain: number,
): void {
  for (const i of [0, 1] as const) {
    const measured = grades.filter((grade) => grade > i).length / grades.length;
    breakpoints[i] +=
      gain * (upperQuantile(target[i]!) - upperQuantile(Math.max(measured, 0.5 / grades.length)));
  }
  breakpoints[1] = Math.max(breakpoints[1], breakpoints[0] + 0.05);
}

const rounded = (values: readonly number[]) => values.map((value) => Number(value.toFixed(3)));

/** The standard normal deviate with this upper tail probability, by bisection and Simpson's rule. */
function upperQuantile(probability: number): number {
  let low = -6;
  let high = 6;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (tail(middle) > probability) low = middle;
    else high = middle;
  }
  return low;
}

/** Upper tail probability of the standard normal distribution. */
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
