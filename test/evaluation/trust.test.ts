import { describe, expect, it } from 'vitest';
import { calibrated, calibrateTask } from '#spinegrad/evaluation/taskCalibration.js';
import { measureTrust } from '#spinegrad/evaluation/trust.js';
import type { DiscTrust, Predictions } from '#spinegrad/evaluation/types.js';
import { RandomStream } from '#spinegrad/random.js';
import { PFIRRMANN } from '../tasks/examples.js';

const GRADES = PFIRRMANN.grades.length;

/** Discs whose probabilities are too sharp by a factor of 2.5 in the logits. */
function simulate(discs: number, seed: number) {
  const random = new RandomStream(seed);
  const softmax = (logits: number[]) => {
    const powers = logits.map(Math.exp);
    const total = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / total);
  };
  const logits = Array.from({ length: discs }, () =>
    Array.from({ length: GRADES }, () => random.normal(0, 1)),
  );
  const truth = logits.map((row) => {
    let left = random.uniform();
    const grade = softmax(row).findIndex((p) => {
      left -= p;
      return left < 0;
    });
    return Math.max(0, grade);
  });
  return { truth, probabilities: logits.map((row) => softmax(row.map((logit) => 2.5 * logit))) };
}

/** The predictions of a calibrated arm. */
function predict(discs: number, coverage: number): { raw: number[][]; predictions: Predictions } {
  const fit = simulate(400, 1);
  const calibration = calibrateTask('test', fit.probabilities, fit.truth, GRADES, coverage);
  const { truth, probabilities } = simulate(discs, 2);
  const results = probabilities.map((row) => calibrated(row, calibration));
  const trust = results.map(
    ({ set }, disc): DiscTrust => ({
      temperature: calibration.temperature,
      set,
      setCoverage: coverage,
      novelty: disc % 10 === 0 ? 1.5 : 0.5,
    }),
  );
  const predictions = {
    studyId: truth.map((_, disc) => `${disc}`),
    level: truth.map(() => 'L4/L5'),
    truth,
    probabilities: results.map((result) => result.probabilities),
    trust,
  };
  return { raw: probabilities, predictions };
}

describe('measureTrust', () => {
  it('finds the calibration before and after temperature scaling', () => {
    const { raw, predictions } = predict(1000, 0.9);
    const { temperature, calibration } = measureTrust(predictions, PFIRRMANN)!;
    expect(temperature).toBeGreaterThan(2);
    expect(temperature).toBeLessThan(3);
    const { truth } = predictions;
    const loss = raw.reduce((sum, row, disc) => sum - Math.log(row[truth[disc]!]!), 0) / truth.length;
    expect(calibration.before.logLoss).toBeCloseTo(loss, 9);
    expect(calibration.after.logLoss).toBeLessThan(loss - 0.2);
    expect(calibration.after.ece).toBeLessThan(calibration.before.ece / 3);
  });

  it('counts the sets that contain the true grade, per grade', () => {
    const { predictions } = predict(1000, 0.8);
    const { sets, novel } = measureTrust(predictions, PFIRRMANN)!;
    const { truth, trust } = predictions;
    expect(sets.nominal).toBe(0.8);
    PFIRRMANN.grades.forEach(({ name }, grade) => {
      const { k, n, low } = sets.coveragePerGrade[name]!;
      const discs = [...truth.keys()].filter((disc) => truth[disc] === grade);
      expect(n).toBe(discs.length);
      expect(k).toBe(discs.filter((disc) => trust![disc]!.set.includes(grade)).length);
      expect(k / n).toBeGreaterThan(0.8 - 0.08);
      expect(low).toBeLessThan(k / n);
    });
    expect(sets.coverage.n).toBe(1000);
    expect(sets.meanSize).toBeGreaterThan(1);
    expect(sets.meanSize).toBeLessThan(GRADES);
    expect(novel).toMatchObject({ k: 100, n: 1000 });
  });

  it('has no common temperature if runs with different ones are pooled', () => {
    const { predictions } = predict(20, 0.8);
    predictions.trust![3] = { ...predictions.trust![3]!, temperature: 1.5 };
    expect(measureTrust(predictions, PFIRRMANN)!.temperature).toBeNull();
  });

  it('is null if a disc has no calibration', () => {
    const { predictions } = predict(20, 0.8);
    expect(
      measureTrust({ ...predictions, trust: [undefined, ...predictions.trust!.slice(1)] }, PFIRRMANN),
    ).toBeNull();
    const { trust: _, ...without } = predictions;
    expect(measureTrust(without, PFIRRMANN)).toBeNull();
  });
});

describe('calibrateTask', () => {
  it('counts the discs of each grade, and puts a grade without discs in every set', () => {
    const { truth, probabilities } = simulate(200, 3);
    const fewer = [...truth.keys()].filter((disc) => truth[disc] !== 2);
    const calibration = calibrateTask(
      'test',
      fewer.map((disc) => probabilities[disc]!),
      fewer.map((disc) => truth[disc]!),
      GRADES,
      0.9,
    );
    expect(calibration.discs[2]).toBe(0);
    expect(calibration.discs.reduce((a, b) => a + b)).toBe(fewer.length);
    expect(calibration.minimums[2]).toBe(0);
    for (const row of probabilities) expect(calibrated(row, calibration).set).toContain(2);
  });
});
