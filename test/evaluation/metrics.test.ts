import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate } from '#spinegrad/evaluation/evaluate.js';
import {
  argmax,
  auroc,
  averagePrecision,
  quadraticKappa,
  wilsonInterval,
} from '#spinegrad/evaluation/metrics.js';
import type { Predictions } from '#spinegrad/evaluation/types.js';

interface Golden {
  cases: {
    name: string;
    predictions: Predictions;
    expected: {
      balancedAccuracy: number;
      recall: (number | null)[];
      quadraticKappa: number | null;
      auroc: number | null;
      auprc: number | null;
      ece: number;
      rsnaLogLoss: number;
      confusion: number[][];
      interval?: [number, number];
    };
  }[];
  wilson: { k: number; n: number; low: number; high: number }[];
}

const golden: Golden = JSON.parse(readFileSync(new URL('golden/sklearn.json', import.meta.url), 'utf8'));

function expectClose(found: number | null, expected: number | null) {
  if (found === null || expected === null) expect(found).toBe(expected);
  else expect(found).toBeCloseTo(expected, 12);
}

describe('metrics against scikit-learn', () => {
  it.each(golden.cases)('$name', ({ predictions, expected }) => {
    const found = evaluate(predictions, { resamples: 20 });
    expect(found.confusion).toEqual(expected.confusion);
    expectClose(found.balancedAccuracy.value, expected.balancedAccuracy);
    Object.values(found.recall).forEach((recall, grade) => {
      expectClose(recall, expected.recall[grade]!);
    });
    for (const name of ['quadraticKappa', 'auroc', 'auprc', 'ece', 'rsnaLogLoss'] as const) {
      expectClose(found[name], expected[name]);
    }
    expect(found.severeToNormal.k).toBe(expected.confusion[2]![0]);
  });

  it.each(golden.wilson)('Wilson interval of $k / $n', ({ k, n, low, high }) => {
    const found = wilsonInterval(k, n);
    expectClose(found.low, low);
    expectClose(found.high, high);
  });

  it('the bootstrap interval of balanced accuracy agrees with one by NumPy', () => {
    const { predictions, expected } = golden.cases.find((entry) => entry.expected.interval)!;
    const { low, high } = evaluate(predictions, { seed: 1, resamples: 4000 }).balancedAccuracy;
    expect(low).toBeCloseTo(expected.interval![0], 2);
    expect(high).toBeCloseTo(expected.interval![1], 2);
  });
});

describe('properties', () => {
  const counts = fc.array(fc.array(fc.nat(20), { minLength: 3, maxLength: 3 }), {
    minLength: 3,
    maxLength: 3,
  });
  const scored = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.boolean(), fc.nat(3)), {
    minLength: 1,
  });

  it('the Wilson interval holds k / n and lies in [0, 1]', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.nat(5000), (n, draw) => {
        const { rate, low, high } = wilsonInterval(draw % (n + 1), n);
        expect(0 <= low! && low! <= rate! && rate! <= high! && high! <= 1).toBe(true);
      }),
    );
  });

  it('kappa lies in [-1, 1] and does not change when truth and prediction swap', () => {
    fc.assert(
      fc.property(counts, (confusion) => {
        fc.pre(confusion.flat().some((count) => count > 0));
        const kappa = quadraticKappa(confusion);
        const swapped = quadraticKappa(confusion.map((_, i) => confusion.map((row) => row[i]!)));
        if (kappa === null) return expect(swapped).toBeNull();
        expect(Math.abs(kappa)).toBeLessThanOrEqual(1 + 1e-12);
        expect(swapped).toBeCloseTo(kappa, 12);
      }),
    );
  });

  it('a disc of weight w counts as w discs', () => {
    fc.assert(
      fc.property(scored, (discs) => {
        const repeated = discs.flatMap(([score, positive, weight]) => Array(weight).fill([score, positive]));
        for (const metric of [auroc, averagePrecision]) {
          const weighted = metric(
            discs.map((disc) => disc[0]),
            discs.map((disc) => disc[1]),
            discs.map((disc) => disc[2]),
          );
          const plain = metric(
            repeated.map((disc) => disc[0]),
            repeated.map((disc) => disc[1]),
          );
          expectClose(weighted, plain);
        }
      }),
    );
  });

  it('turning the scores around turns the AUROC around', () => {
    fc.assert(
      fc.property(scored, (discs) => {
        const positive = discs.map((disc) => disc[1]);
        const up = auroc(
          discs.map((disc) => disc[0]),
          positive,
        );
        const down = auroc(
          discs.map((disc) => -disc[0]),
          positive,
        );
        if (up !== null) expect(up + down!).toBeCloseTo(1, 12);
      }),
    );
  });

  it('of equal probabilities the milder grade is called', () => {
    expect(argmax([0.4, 0.4, 0.2])).toBe(0);
    expect(argmax([0.2, 0.4, 0.4])).toBe(1);
  });
});
