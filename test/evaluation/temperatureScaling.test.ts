import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { argmax, weightedLogLoss } from '#spinegrad/evaluation/metrics.js';
import { fitTemperature, scaleTemperature, TEMPERATURES } from '#spinegrad/evaluation/temperatureScaling.js';

interface Case {
  probabilities: number[][];
  truth: number[];
  temperature: number;
  loss: { before: number; after: number };
}
const golden: { cases: Case[] } = JSON.parse(
  readFileSync(new URL('golden/trust.json', import.meta.url), 'utf8'),
);

const lossOf = ({ probabilities, truth }: Case, temperature: number) =>
  weightedLogLoss(
    probabilities.map((row) => scaleTemperature(row, temperature)),
    truth,
    probabilities[0]!.map(() => 1),
  );

describe('fitTemperature', () => {
  it.each(golden.cases)('finds the minimum of SciPy: $temperature', (sample) => {
    const found = fitTemperature(sample.probabilities, sample.truth);
    expect(found).toBeCloseTo(sample.temperature, 5);
    expect(lossOf(sample, 1)).toBeCloseTo(sample.loss.before, 6);
    expect(lossOf(sample, found)).toBeCloseTo(sample.loss.after, 6);
  });

  it('stays within its bounds for samples without any error and without any hit', () => {
    const rows = [
      [0.9, 0.1],
      [0.2, 0.8],
    ];
    expect(fitTemperature(rows, [0, 1])).toBeCloseTo(TEMPERATURES.min, 6);
    expect(fitTemperature(rows, [1, 0])).toBeCloseTo(TEMPERATURES.max, 6);
  });

  it('is finite if the true grade has the probability 0', () => {
    const temperature = fitTemperature(
      [
        [1, 0],
        [1, 0],
        [0, 1],
      ],
      [0, 1, 1],
    );
    expect(temperature).toBeGreaterThan(1);
    expect(temperature).toBeLessThanOrEqual(TEMPERATURES.max);
  });

  it('refuses an empty sample', () => {
    expect(() => fitTemperature([], [])).toThrow(expect.objectContaining({ code: 'ERR_EVALUATION' }));
  });
});

describe('scaleTemperature', () => {
  it('divides the logits of a softmax', () => {
    const logits = [1, -0.5, 3];
    const softmax = (values: number[]) => {
      const powers = values.map(Math.exp);
      return powers.map((power) => power / powers.reduce((a, b) => a + b));
    };
    const scaled = scaleTemperature(softmax(logits), 2.5);
    softmax(logits.map((logit) => logit / 2.5)).forEach((p, grade) => {
      expect(scaled[grade]).toBeCloseTo(p, 12);
    });
  });

  it('keeps the predicted grade, the sum 1 and a probability of 0', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(
        weights.filter((row) => row.some((weight) => weight > 0)),
        fc.double({ ...TEMPERATURES, noNaN: true }),
        (row, temperature) => {
          const total = row.reduce((a, b) => a + b);
          const probabilities = row.map((weight) => weight / total);
          const scaled = scaleTemperature(probabilities, temperature);
          expect(argmax(scaled)).toBe(argmax(probabilities));
          expect(scaled.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
          row.forEach((weight, grade) => {
            if (weight === 0) expect(scaled[grade]).toBe(0);
          });
        },
      ),
    );
  });

  it('returns the same bits at temperature 1, and the original after the inverse temperature', () => {
    const row = [0.123456789, 0.5, 0.376543211];
    expect(scaleTemperature(row, 1)).toEqual(row);
    scaleTemperature(scaleTemperature(row, 3), 1 / 3).forEach((p, grade) => {
      expect(p).toBeCloseTo(row[grade]!, 12);
    });
  });
});
