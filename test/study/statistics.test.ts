import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { evaluate } from '#spinegrad/evaluation/evaluate.js';
import type { Predictions } from '#spinegrad/evaluation/types.js';
import { RandomStream } from '#spinegrad/random.js';
import { type ComparedArm, compareRepeats, DETECTABLE } from '#spinegrad/study/compareArms.js';
import { evaluateRepeats } from '#spinegrad/study/evaluateArm.js';
import { holm } from '#spinegrad/study/holm.js';
import { METRICS, type MetricName } from '#spinegrad/study/sample.js';
import { DEFAULT_TASK, taskOf } from '#spinegrad/tasks/index.js';
import type { GradeScale } from '#spinegrad/tasks/task.js';

type Metrics = Record<MetricName, number | null> & { recall: number[] };
interface Golden {
  tables: {
    name: string;
    weights: number[];
    ordered: boolean;
    study: string[];
    truth: number[];
    probabilities: number[][][];
    expected: {
      repeats: Metrics[];
      reliability: { counts: number[]; accuracy: number[]; confidence: number[] };
      bootstrap?: { interval: [number, number]; standardError: number };
    };
  }[];
  permutations: {
    study: string[];
    truth: number[];
    arms: number[][][][];
    expected: Partial<Record<MetricName, { difference: number; p: number }>>;
  }[];
  holm: { p: number[]; corrected: number[] }[];
}
const golden: Golden = JSON.parse(readFileSync(new URL('golden/study.json', import.meta.url), 'utf8'));

const canal = taskOf(DEFAULT_TASK);

const scaleOf = (weights: number[], ordered: boolean): GradeScale => ({
  ordered,
  grades: weights.map((weight, grade) => ({ name: `grade ${grade}`, labels: [`${grade}`], weight })),
});

const repeatsOf = (studyId: string[], truth: number[], probabilities: number[][][]): Predictions[] =>
  probabilities.map((rows) => ({
    ...{ studyId, truth, probabilities: rows },
    level: truth.map((_, i) => `L${(i % 5) + 1}`),
  }));

const mean = (values: readonly (number | null)[]) =>
  values.reduce<number>((sum, value) => sum + value!, 0) / values.length;

/** Repeated predictions for `studies` patients of five discs; `skill` 0 is chance. */
function simulate(studies: number, skill: number, seed: number, repeats = 2): Predictions[] {
  const truths = new RandomStream(7);
  const truth = Array.from({ length: studies * 5 }, () => truths.pick([0, 0, 0, 1, 2]));
  const probabilities = Array.from({ length: repeats }, (_, repeat) => {
    const random = new RandomStream(seed, repeat);
    return truth.map((grade) => {
      const scores = [0, 1, 2].map((other) => random.uniform() + (other === grade ? skill : 0));
      const total = scores.reduce((sum, score) => sum + score, 0);
      return scores.map((score) => score / total);
    });
  });
  const studyId = truth.map((_, i) => `study ${Math.floor(i / 5)}`);
  return repeatsOf(studyId, truth, probabilities);
}

function armOf(name: string, predictions: Predictions[], scale: GradeScale, resamples = 400): ComparedArm {
  return { name, predictions, evaluated: evaluateRepeats(predictions, scale, { seed: 2, resamples }) };
}

describe('metrics of repeats', () => {
  it.each(golden.tables)('agree with scikit-learn: $name', (table) => {
    const { weights, ordered, study, truth, probabilities, expected } = table;
    const repeats = repeatsOf(study, truth, probabilities);
    const { result } = evaluateRepeats(repeats, scaleOf(weights, ordered), { resamples: 20 });
    for (const name of METRICS) {
      const found = result.metrics[name];
      const values = expected.repeats.map((metrics) => metrics[name]);
      if (values.includes(null)) {
        expect(found).toMatchObject({ value: null, low: null, high: null });
        continue;
      }
      expect(found.value, name).toBeCloseTo(mean(values), 12);
      found.repeats.forEach((value, i) => {
        expect(value, `${name}, repeat ${i}`).toBeCloseTo(values[i]!, 12);
      });
    }
    weights.forEach((_, grade) => {
      const recalls = expected.repeats.map(({ recall }) => recall[grade]!);
      expect(result.recall[`grade ${grade}`]!.value).toBeCloseTo(mean(recalls), 12);
    });
  });

  it.each(golden.tables)('have the bins of a reliability diagram as scikit-learn: $name', (table) => {
    const { weights, ordered, study, truth, probabilities, expected } = table;
    const repeats = repeatsOf(study, truth, probabilities);
    const { reliability } = evaluateRepeats(repeats, scaleOf(weights, ordered), { resamples: 20 }).result;
    const { counts, accuracy, confidence } = expected.reliability;
    expect(reliability.map(({ count }) => count)).toEqual(counts);
    reliability.forEach((bin, i) => {
      expect(bin.accuracy).toBeCloseTo(accuracy[i]!, 12);
      expect(bin.confidence).toBeCloseTo(confidence[i]!, 12);
      expect(bin.low < bin.confidence && bin.confidence <= bin.high).toBe(true);
    });
  });

  it('have an interval and a standard error that agree with NumPy', () => {
    const { weights, study, truth, probabilities, expected } = golden.tables[0]!;
    const scale = scaleOf(weights, true);
    const repeats = repeatsOf(study, truth, probabilities);
    const options = { seed: 1, resamples: 4000 };
    const { low, high } = evaluateRepeats(repeats, scale, options).result.metrics.balancedAccuracy;
    expect(low).toBeCloseTo(expected.bootstrap!.interval[0], 2);
    expect(high).toBeCloseTo(expected.bootstrap!.interval[1], 2);
  });

  it('of one repeat are those of a single run', () => {
    const repeats = simulate(30, 0.4, 5, 1);
    const options = { seed: 4, resamples: 300 };
    const single = evaluate(repeats[0]!, canal, options);
    const { result } = evaluateRepeats(repeats, canal, options);
    expect(result.metrics.balancedAccuracy.value).toBeCloseTo(single.balancedAccuracy.value, 12);
    expect(result.metrics.balancedAccuracy.low).toBeCloseTo(single.balancedAccuracy.low!, 12);
    for (const name of ['kappa', 'auroc', 'auprc', 'ece', 'weightedLogLoss'] as const) {
      expect(result.metrics[name].value).toBeCloseTo(single[name]!, 12);
      expect(result.metrics[name].low).toBeCloseTo(single.intervals[name]!.low, 12);
      expect(result.metrics[name].high).toBeCloseTo(single.intervals[name]!.high, 12);
    }
    expect(result.confusion).toEqual(single.confusion);
    expect(result.metrics.mostSevereAsMildest.high).toBeCloseTo(single.mostSevereAsMildest!.high!, 12);
  });

  it('do not gain precision from a repeat that is a copy', () => {
    const [one] = simulate(30, 0.4, 5, 1);
    const options = { seed: 4, resamples: 300 };
    const single = evaluateRepeats([one!], canal, options).result.metrics;
    const copied = evaluateRepeats([one!, one!, one!], canal, options).result.metrics;
    for (const name of METRICS) {
      expect(copied[name].low, name).toBeCloseTo(single[name].low!, 12);
      expect(copied[name].high, name).toBeCloseTo(single[name].high!, 12);
    }
  });
});

describe('comparison of arms over repeats', () => {
  it('gives 0 and p = 1 for equal arms', () => {
    const arm = armOf('arm', simulate(20, 0.4, 2), canal);
    const metrics = compareRepeats(arm, arm, canal, { permutations: 200 });
    for (const name of METRICS) {
      const { value, low, high, p, detectable } = metrics[name];
      expect({ value, low, high, detectable }, name).toEqual({ value: 0, low: 0, high: 0, detectable: 0 });
      expect(p, name).toBe(name === 'auroc' || name === 'auprc' ? null : 1);
    }
  });

  it.each(golden.permutations)(
    'agrees with the exact permutation test of SciPy (%#)',
    ({ study, truth, arms, expected }) => {
      const scale = scaleOf([1, 2, 4], true);
      const [a, b] = arms.map((arm, i) => armOf(`${i}`, repeatsOf(study, truth, arm), scale, 20));
      const metrics = compareRepeats(a!, b!, scale, { seed: 1, permutations: 4000 });
      for (const [name, { difference, p }] of Object.entries(expected)) {
        const found = metrics[name as MetricName];
        expect(found.value, name).toBeCloseTo(difference, 12);
        expect(Math.abs(found.p! - p), name).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / 4000) + 1e-3);
      }
    },
  );

  it('finds a clear difference, with the opposite sign for exchanged arms', () => {
    const [good, poor] = [
      armOf('good', simulate(40, 1, 2), canal),
      armOf('poor', simulate(40, 0.1, 3), canal),
    ];
    const forward = compareRepeats(good, poor, canal, { seed: 4, permutations: 400 }).balancedAccuracy;
    const backward = compareRepeats(poor, good, canal, { seed: 4, permutations: 400 }).balancedAccuracy;
    expect(forward.low).toBeGreaterThan(0);
    expect(forward.p).toBeCloseTo(1 / 401, 12);
    expect(backward.value).toBeCloseTo(-forward.value!, 12);
    expect(backward.low).toBeCloseTo(-forward.high!, 12);
    expect(backward.p).toBe(forward.p);
  });

  it('has p-values that are about uniform if the arms are equally good', () => {
    const p = Array.from({ length: 60 }, (_, i) => {
      const arms = [100 + i, 500 + i].map((seed) => armOf('arm', simulate(15, 0.3, seed), canal, 20));
      return compareRepeats(arms[0]!, arms[1]!, canal, { seed: i, permutations: 99 }).balancedAccuracy.p!;
    });
    // Kolmogorov-Smirnov: 1.63 / sqrt(n) is the critical distance at 0.01.
    const sorted = p.sort((a, b) => a - b);
    const distance = Math.max(...sorted.map((value, i) => Math.abs(value - (i + 0.5) / sorted.length)));
    expect(distance).toBeLessThan(1.63 / Math.sqrt(sorted.length));
  });

  it('states the detectable difference as 2.8 standard errors of the bootstrap', () => {
    const [a, b] = [
      armOf('a', simulate(60, 0.5, 2), canal, 2000),
      armOf('b', simulate(60, 0.4, 3), canal, 2000),
    ];
    const { low, high, detectable } = compareRepeats(a, b, canal, { permutations: 20 }).balancedAccuracy;
    expect(DETECTABLE).toBeCloseTo(2.8, 2);
    // A normal interval is 2 x 1.96 standard errors wide.
    expect(detectable! / ((high! - low!) / 3.92)).toBeCloseTo(DETECTABLE, 0);
  });

  it('refuses arms on different discs', () => {
    const [a, b] = [simulate(12, 0.4, 2), simulate(12, 0.4, 3)];
    const other = b.map((one) => ({ ...one, truth: one.truth.with(3, (one.truth[3]! + 1) % 3) }));
    expect(() => compareRepeats(armOf('a', a, canal, 20), armOf('b', other, canal, 20), canal, {})).toThrow(
      /arms a and b differ in truth/,
    );
  });
});

describe("Holm's correction", () => {
  it.each(golden.holm)('agrees with statsmodels: $p', ({ p, corrected }) => {
    holm(p).forEach((value, i) => {
      expect(value).toBeCloseTo(corrected[i]!, 12);
    });
  });

  it('leaves tests out that have no p-value', () => {
    expect(holm([null, 0.02, null, 0.3])).toEqual([null, 0.04, null, 0.3]);
    expect(holm([])).toEqual([]);
  });
});
