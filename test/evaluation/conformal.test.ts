import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { conformalMinimums, conformalSet } from '#spinegrad/evaluation/conformal.js';
import { RandomStream } from '#spinegrad/random.js';

const golden: {
  cases: { probabilities: number[][]; truth: number[]; coverage: number; minimums: number[] }[];
} = JSON.parse(readFileSync(new URL('golden/trust.json', import.meta.url), 'utf8'));

/** Discs of three grades, of which the last one is rare, with noisy probabilities. */
function simulate(random: RandomStream, discs: number) {
  const truth = Array.from({ length: discs }, () => (random.uniform() < 0.8 ? random.pick([0, 1]) : 2));
  const probabilities = truth.map((grade) => {
    const scores = [0, 1, 2].map((k) => random.uniform() + (k === grade ? 0.5 : 0));
    const total = scores.reduce((a, b) => a + b);
    return scores.map((score) => score / total);
  });
  return { truth, probabilities };
}

describe('conformalMinimums', () => {
  it.each(golden.cases)(
    'is the quantile of NumPy at $coverage',
    ({ probabilities, truth, coverage, minimums }) => {
      const found = conformalMinimums(probabilities, truth, minimums.length, coverage);
      minimums.forEach((minimum, grade) => {
        expect(found[grade]).toBeCloseTo(minimum, 12);
      });
    },
  );

  it('is 0 for a grade with too few discs, so that it is in every set', () => {
    const certain = (discs: number) => Array.from({ length: discs }, () => [1, 0]);
    const zeros = (discs: number) => new Array<number>(discs).fill(0);
    expect(conformalMinimums(certain(8), zeros(8), 2, 0.9)).toEqual([0, 0]);
    expect(conformalMinimums(certain(9), zeros(9), 2, 0.9)).toEqual([1, 0]);
    expect(conformalSet([1, 0], [1, 0])).toEqual([0, 1]);
  });

  it('covers each grade with at least the nominal probability on exchangeable discs', () => {
    const coverage = 0.8;
    const [covered, tested] = [
      [0, 0, 0],
      [0, 0, 0],
    ] as [number[], number[]];
    for (let trial = 0; trial < 400; trial++) {
      const random = new RandomStream(1, trial);
      const calibration = simulate(random, 60);
      const minimums = conformalMinimums(calibration.probabilities, calibration.truth, 3, coverage);
      // One disc per calibration sample: the guarantee is over both.
      const test = simulate(random, 20);
      for (const grade of [0, 1, 2]) {
        const disc = test.truth.indexOf(grade);
        if (disc < 0) continue;
        tested[grade]!++;
        covered[grade]! += Number(test.probabilities[disc]![grade]! >= minimums[grade]!);
      }
    }
    for (const grade of [0, 1, 2]) {
      const n = tested[grade]!;
      const deviation = Math.sqrt((coverage * (1 - coverage)) / n);
      const rate = covered[grade]! / n;
      expect(n).toBeGreaterThan(350);
      expect(rate).toBeGreaterThan(coverage - 3 * deviation);
      // Not wider than the rule: (n + 1)-th parts of about 12 calibration discs, and the binomial error.
      expect(rate).toBeLessThan(coverage + 0.1 + 3 * deviation);
    }
  });

  it('refuses a coverage of 1 and unequal lengths', () => {
    const refused = expect.objectContaining({ code: 'ERR_EVALUATION' });
    expect(() => conformalMinimums([[1, 0]], [0], 2, 1)).toThrow(refused);
    expect(() => conformalMinimums([[1, 0]], [], 2, 0.9)).toThrow(refused);
  });
});

describe('conformalSet', () => {
  it('holds the grades above their minimums, and always the predicted grade', () => {
    expect(conformalSet([0.5, 0.3, 0.2], [0.4, 0.3, 0.3])).toEqual([0, 1]);
    expect(conformalSet([0.5, 0.3, 0.2], [0.9, 0.9, 0.9])).toEqual([0]);
    expect(conformalSet([0.5, 0.3, 0.2], [0.9, 0.9, 0.1])).toEqual([0, 2]);
  });
});
