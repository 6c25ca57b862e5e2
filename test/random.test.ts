import { describe, expect, it } from 'vitest';
import { RandomStream } from '#spinegrad/random.js';

const draw = (count: number, next: () => number): number[] => Array.from({ length: count }, next);
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;

describe('RandomStream', () => {
  it('draws the same values for equal paths and different values for other paths', () => {
    const drawsOf = (...path: number[]) => draw(4, () => new RandomStream(...path).bits());
    expect(drawsOf(1, 2, 3)).toEqual(drawsOf(1, 2, 3));
    const others = [drawsOf(1, 2), drawsOf(3, 2, 1), drawsOf(1, 2, 4), drawsOf(2 ** 40 + 1, 2, 3)];
    for (const other of others) expect(other).not.toEqual(drawsOf(1, 2, 3));
  });

  it('draws uniform and normal values with moments within five standard errors', () => {
    const random = new RandomStream(7);
    const count = 100_000;
    const uniform = draw(count, () => random.uniform());
    expect(Math.abs(mean(uniform) - 0.5)).toBeLessThan((5 * Math.sqrt(1 / 12)) / Math.sqrt(count));
    expect(Math.min(...uniform.slice(0, 50_000))).toBeGreaterThan(0);
    const normal = draw(count, () => random.normal(2, 3));
    expect(Math.abs(mean(normal) - 2)).toBeLessThan((5 * 3) / Math.sqrt(count));
    const variance = mean(normal.map((value) => (value - 2) ** 2));
    expect(Math.abs(variance / 9 - 1)).toBeLessThan(5 * Math.sqrt(2 / count));
  });

  it('draws uncorrelated values for neighbouring paths', () => {
    const values = draw(20_000, () => 0).map((_, i) => new RandomStream(1, i).uniform() - 0.5);
    const lagged = mean(values.slice(1).map((value, i) => value * values[i]!)) * 12;
    expect(Math.abs(lagged)).toBeLessThan(5 / Math.sqrt(values.length));
  });
});
