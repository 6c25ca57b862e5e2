import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MIN_PATIENTS, percentileInterval, resampleStudies } from '#spinegrad/evaluation/bootstrap.js';
import { compareArms, evaluate } from '#spinegrad/evaluation/evaluate.js';
import type { Bounds, Metrics, Predictions } from '#spinegrad/evaluation/types.js';
import { RandomStream } from '#spinegrad/random.js';
import { DEFAULT_TASK, taskOf } from '#spinegrad/tasks/index.js';

const task = taskOf(DEFAULT_TASK);

/** Predictions for `studies` studies with five discs each; `skill` 0 is chance, 1 is nearly always correct. */
function simulate(studies: number, skill: number, seed: number): Predictions {
  const random = new RandomStream(seed);
  const truths = new RandomStream(7);
  const predictions: Predictions = { studyId: [], level: [], truth: [], probabilities: [] };
  for (let i = 0; i < studies * 5; i++) {
    const truth = truths.pick([0, 0, 0, 1, 2]);
    const scores = [0, 1, 2].map((grade) => random.uniform() + (grade === truth ? skill : 0));
    const total = scores.reduce((sum, score) => sum + score, 0);
    predictions.studyId.push(`study ${Math.floor(i / 5)}`);
    predictions.level.push(`L${(i % 5) + 1}`);
    predictions.truth.push(truth);
    predictions.probabilities.push(scores.map((score) => score / total));
  }
  return predictions;
}

const pick = (p: Predictions, order: number[]): Predictions => ({
  studyId: order.map((i) => p.studyId[i]!),
  level: order.map((i) => p.level[i]!),
  truth: order.map((i) => p.truth[i]!),
  probabilities: order.map((i) => p.probabilities[i]!),
});

/** All bootstrap intervals by name, except that of balanced accuracy. */
function intervalsOf({ intervals: { recall, ...others } }: Metrics): [name: string, bounds: Bounds | null][] {
  return [...Object.entries(others), ...Object.entries(recall)];
}

describe('resamples', () => {
  it('draw complete studies, as many as the sample has, with every grade of the sample', () => {
    const { studyId, truth } = simulate(12, 0.5, 1);
    truth.fill(0);
    truth[3] = 2;
    let resamples = 0;
    for (const weights of resampleStudies(studyId, truth, { seed: 3, resamples: 50 })) {
      resamples++;
      for (let i = 0; i < weights.length; i++) expect(weights[i]).toBe(weights[i - (i % 5)]);
      expect(weights.reduce((sum, weight) => sum + weight, 0)).toBe(60);
      expect(weights[3]).toBeGreaterThan(0);
    }
    expect(resamples).toBe(50);
  });

  it('percentiles are interpolated between order statistics', () => {
    const { low, high } = percentileInterval(Array.from({ length: 101 }, (_, i) => 100 - i));
    expect([low, high]).toEqual([2.5, 97.5]);
  });
});

describe('intervals', () => {
  it('depend on the seed and not on the order of the discs', () => {
    const predictions = simulate(30, 0.4, 2);
    const reference = evaluate(predictions, task, { seed: 5, resamples: 60 });
    expect(evaluate(predictions, task, { seed: 5, resamples: 60 })).toEqual(reference);
    expect(evaluate(predictions, task, { seed: 6, resamples: 60 })).not.toEqual(reference);
    const indices = predictions.truth.map((_, i) => i);
    const order = fc.shuffledSubarray(indices, { minLength: indices.length });
    fc.assert(
      fc.property(order, (shuffled) => {
        const found = evaluate(pick(predictions, shuffled), task, { seed: 5, resamples: 60 });
        expect(found.confusion).toEqual(reference.confusion);
        expect(found.balancedAccuracy).toEqual(reference.balancedAccuracy);
        const expected = new Map(intervalsOf(reference));
        for (const [name, bounds] of intervalsOf(found)) {
          expect(bounds!.low).toBeCloseTo(expected.get(name)!.low, 12);
          expect(bounds!.high).toBeCloseTo(expected.get(name)!.high, 12);
        }
      }),
      { numRuns: 15 },
    );
  });

  it('contain their point estimate and are null if it is null', () => {
    const predictions = simulate(30, 0.4, 2);
    const metrics = evaluate(predictions, task);
    expect(metrics.balancedAccuracy.low).toBeLessThan(metrics.balancedAccuracy.value);
    expect(metrics.balancedAccuracy.high).toBeGreaterThan(metrics.balancedAccuracy.value);
    predictions.truth = predictions.truth.map((grade) => Math.min(grade, 1));
    const without = evaluate(predictions, task, { resamples: 50 });
    expect([without.auroc, without.auprc, without.recall.severe]).toEqual([null, null, null]);
    expect([without.intervals.auroc, without.intervals.recall.severe]).toEqual([null, null]);
    expect(without.mostSevereAsMildest).toEqual({ k: 0, n: 0, rate: null, low: null, high: null });
    expect(JSON.parse(JSON.stringify(without))).toEqual(without);
  });
});

describe('with few patients', () => {
  /** Every patient has normal and moderate discs; the first `severe` patients also have a severe one. */
  function sample(patients: number, severe: number): Predictions {
    const predictions = simulate(patients, 0.4, 2);
    predictions.truth = predictions.truth.map((_, i) => (i % 5 === 4 && i < 5 * severe ? 2 : i % 2));
    return predictions;
  }

  it.each([1, MIN_PATIENTS - 1])('metrics have no intervals and p-values (%i)', (patients) => {
    const arm = sample(patients, patients);
    const metrics = evaluate(arm, task, { resamples: 20 });
    expect(metrics.patients).toBe(patients);
    expect(metrics.patientsPerGrade).toEqual({ normal: patients, moderate: patients, severe: patients });
    expect(metrics.balancedAccuracy).toEqual({ value: expect.any(Number), low: null, high: null });
    expect(intervalsOf(metrics).filter(([, bounds]) => bounds !== null)).toEqual([]);
    expect(metrics.mostSevereAsMildest!.low).not.toBeNull();
    const constant = { ...arm, probabilities: arm.truth.map(() => [1, 0, 0]) };
    const { difference, p } = compareArms(arm, constant, task);
    expect(difference).toEqual({ value: expect.any(Number), low: null, high: null });
    expect(p).toBeNull();
  });

  it('an interval is null if too few patients have a disc of the grade', () => {
    const few = evaluate(sample(40, MIN_PATIENTS - 1), task, { resamples: 50 });
    expect(few.balancedAccuracy.low).toBeNull();
    expect(few.intervals).toMatchObject({ recall: { severe: null }, auroc: null, weightedLogLoss: null });
    expect(few.intervals.recall.normal).not.toBeNull();
    const enough = evaluate(sample(40, MIN_PATIENTS), task, { resamples: 50 });
    expect(enough.balancedAccuracy.low).not.toBeNull();
    expect(intervalsOf(enough).filter(([, bounds]) => bounds === null)).toEqual([]);
  });

  it('a grade that does not occur is ignored: balanced accuracy is the mean over the others', () => {
    const metrics = evaluate(sample(12, 0), task, { resamples: 50 });
    const { normal, moderate, severe } = metrics.recall;
    expect([severe, metrics.auroc, metrics.auprc, metrics.patientsPerGrade.severe]).toEqual([
      null,
      null,
      null,
      0,
    ]);
    expect(metrics.balancedAccuracy.value).toBeCloseTo((normal! + moderate!) / 2, 12);
    expect(metrics.balancedAccuracy.low).not.toBeNull();
  });
});

describe('comparison of arms', () => {
  it('gives 0 for an arm and itself', () => {
    const arm = simulate(20, 0.4, 2);
    expect(compareArms(arm, arm, task)).toEqual({ difference: { value: 0, low: 0, high: 0 }, p: 1 });
  });

  it('gives a p-value of at least 2 / (resamples + 1)', () => {
    const right = simulate(40, 5, 2);
    const wrong = {
      ...right,
      probabilities: right.truth.map((grade) => (grade === 0 ? [0, 1, 0] : [1, 0, 0])),
    };
    expect(compareArms(right, wrong, task, { resamples: 99 }).p).toBeCloseTo(2 / 100, 12);
  });

  it('finds a clear difference, with the opposite sign for swapped arms', () => {
    const good = simulate(40, 1, 2);
    const poor = simulate(40, 0.1, 3);
    const forward = compareArms(good, poor, task, { seed: 4 });
    const backward = compareArms(poor, good, task, { seed: 4 });
    expect(forward.difference.low).toBeGreaterThan(0);
    expect(forward.p).toBeLessThan(0.01);
    expect(backward.difference.value).toBe(-forward.difference.value);
    expect(backward.difference.low).toBeCloseTo(-forward.difference.high!, 12);
    expect(backward.p).toBe(forward.p);
  });

  it('rarely gives a small p-value under the null hypothesis', () => {
    const rejected = Array.from({ length: 40 }, (_, i) => i).filter((i) => {
      const [a, b] = [simulate(30, 0.3, 100 + i), simulate(30, 0.3, 200 + i)];
      return compareArms(a, b, task, { resamples: 400 }).p! < 0.05;
    });
    expect(rejected.length).toBeLessThanOrEqual(6);
  });
});

describe('invalid input is refused', () => {
  const arm = simulate(3, 0.5, 1);
  it.each([
    ['no discs', { studyId: [], level: [], truth: [], probabilities: [] }, /no discs/],
    ['unequal lengths', { ...arm, level: arm.level.slice(1) }, /14 level/],
    [
      'an unknown grade',
      { ...arm, truth: arm.truth.with(2, 3) },
      /truth\[2\] = 3, expected one of 0 \(normal\), 1 \(moderate\), 2 \(severe\)/,
    ],
    ['a NaN', { ...arm, probabilities: arm.probabilities.with(1, [1, 0, Number.NaN]) }, /\[1\]/],
    ['rows that do not sum to 1', { ...arm, probabilities: arm.probabilities.with(0, [1, 1, 0]) }, /sum 1/],
    ['too few probabilities', { ...arm, probabilities: arm.probabilities.with(0, [0.5, 0.5]) }, /3 numbers/],
  ])('%s', (_, predictions, message) => {
    expect(() => evaluate(predictions, task)).toThrow(message);
    expect(() => evaluate(predictions, task)).toThrow(expect.objectContaining({ code: 'ERR_EVALUATION' }));
  });

  it('arms on different discs, and zero resamples', () => {
    const other = { ...arm, truth: arm.truth.with(0, (arm.truth[0]! + 1) % 3) };
    expect(() => compareArms(arm, other, task)).toThrow(/differ in truth/);
    expect(() => evaluate(arm, task, { resamples: 0 })).toThrow(/whole number above 0/);
  });
});
