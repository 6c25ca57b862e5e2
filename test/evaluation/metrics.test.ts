import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate } from '#spinegrad/evaluation/evaluate.js';
import {
  argmax,
  auroc,
  averagePrecision,
  cohenKappa,
  wilsonInterval,
} from '#spinegrad/evaluation/metrics.js';
import { rsnaScore, rsnaScores } from '#spinegrad/evaluation/rsnaScore.js';
import type { Predictions } from '#spinegrad/evaluation/types.js';
import type { GradeScale } from '#spinegrad/tasks/task.js';

interface Golden {
  cases: {
    name: string;
    weights: number[];
    ordered: boolean;
    predictions: Predictions;
    expected: {
      balancedAccuracy: number;
      recall: (number | null)[];
      kappa: number | null;
      auroc: number | null;
      auprc: number | null;
      ece: number;
      weightedLogLoss: number;
      confusion: number[][];
      interval?: [number, number];
    };
  }[];
  rsna: { tasks: Record<string, Predictions>; expected: Record<string, number> };
  wilson: { k: number; n: number; low: number; high: number }[];
}

const golden: Golden = JSON.parse(readFileSync(new URL('golden/sklearn.json', import.meta.url), 'utf8'));

/** A scale of as many grades as there are weights. */
const scaleOf = (weights: readonly number[], ordered: boolean): GradeScale => ({
  ordered,
  grades: weights.map((weight, grade) => ({ name: `grade ${grade}`, labels: [`${grade}`], weight })),
});

function expectClose(found: number | null, expected: number | null) {
  if (found === null || expected === null) expect(found).toBe(expected);
  else expect(found).toBeCloseTo(expected, 12);
}

describe('metrics', () => {
  it.each(golden.cases)('agree with scikit-learn: $name', ({ weights, ordered, predictions, expected }) => {
    const found = evaluate(predictions, scaleOf(weights, ordered), { resamples: 20 });
    expect(found.confusion).toEqual(expected.confusion);
    expectClose(found.balancedAccuracy.value, expected.balancedAccuracy);
    expect(Object.keys(found.recall)).toHaveLength(weights.length);
    weights.forEach((_, grade) => {
      expectClose(found.recall[`grade ${grade}`]!, expected.recall[grade]!);
    });
    for (const name of ['kappa', 'auroc', 'auprc', 'ece', 'weightedLogLoss'] as const) {
      expectClose(found[name], expected[name]);
    }
    const mostSevere = expected.confusion.at(-1)!;
    if (ordered) {
      const n = mostSevere.reduce((sum, count) => sum + count, 0);
      expect(found.mostSevereAsMildest).toMatchObject({ k: mostSevere[0], n });
    } else expect(found.mostSevereAsMildest).toBeNull();
  });

  it('agree with scikit-learn: the score of the RSNA challenge', () => {
    const tasks = new Map(Object.entries(golden.rsna.tasks));
    const score = rsnaScore(tasks)!;
    expect(Object.keys(score)).toEqual(Object.keys(golden.rsna.expected));
    for (const [name, loss] of Object.entries(golden.rsna.expected)) {
      expect(score[name as keyof typeof score], name).toBeCloseTo(loss, 12);
    }
    const groups = [...tasks].map(([task, all]) => ({
      task,
      arms: [{ name: 'arm', predicted: all, annotated: all }],
    }));
    expect(rsnaScores(groups)).toEqual([{ name: 'arm', predicted: score, annotated: score }]);
    expect(rsnaScores(groups.slice(1))).toBeNull();
    tasks.delete('rsna/left_subarticular_stenosis');
    expect(rsnaScore(tasks)).toBeNull();
  });

  it.each(golden.wilson)(
    'agree with the reference for the Wilson interval of $k of $n',
    ({ k, n, low, high }) => {
      const found = wilsonInterval(k, n);
      expectClose(found.low, low);
      expectClose(found.high, high);
    },
  );

  it('have a bootstrap interval of balanced accuracy that agrees with NumPy', () => {
    const { weights, predictions, expected } = golden.cases.find((entry) => entry.expected.interval)!;
    const options = { seed: 1, resamples: 4000 };
    const { low, high } = evaluate(predictions, scaleOf(weights, true), options).balancedAccuracy;
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

  it('the Wilson interval contains k / n and is in [0, 1]', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.nat(5000), (n, draw) => {
        const { rate, low, high } = wilsonInterval(draw % (n + 1), n);
        expect(0 <= low! && low! <= rate! && rate! <= high! && high! <= 1).toBe(true);
      }),
    );
  });

  it('kappa is in [-1, 1] and symmetric in truth and prediction', () => {
    fc.assert(
      fc.property(counts, fc.constantFrom('quadratic', 'none'), (confusion, weights) => {
        fc.pre(confusion.flat().some((count) => count > 0));
        const kappa = cohenKappa(confusion, weights);
        const swapped = cohenKappa(
          confusion.map((_, i) => confusion.map((row) => row[i]!)),
          weights,
        );
        if (kappa === null) return expect(swapped).toBeNull();
        expect(Math.abs(kappa)).toBeLessThanOrEqual(1 + 1e-12);
        expect(swapped).toBeCloseTo(kappa, 12);
      }),
    );
  });

  it('a disc of weight w equals w discs', () => {
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

  it('negating the scores gives 1 - AUROC', () => {
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

  it('argmax takes the first of equal probabilities', () => {
    expect(argmax([0.4, 0.4, 0.2])).toBe(0);
    expect(argmax([0.2, 0.4, 0.4])).toBe(1);
  });
});
