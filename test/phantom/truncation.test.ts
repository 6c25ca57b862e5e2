import { expect, it } from 'vitest';
import { truncate, truncationKernel } from '#spinegrad/phantom/truncation.js';

const SIDE = 64;

/** An image of `SIDE` x `SIDE` pixels whose values depend on the column. */
const columnsOf = (value: (column: number) => number) =>
  Float32Array.from({ length: SIDE * SIDE }, (_, i) => value(i % SIDE));

const middleRow = (values: Float32Array) => [
  ...values.slice((SIDE / 2) * SIDE + 12, (SIDE / 2 + 1) * SIDE - 12),
];

it('keeps a constant image', () => {
  for (const filter of [0, 0.5, 1]) {
    const values = columnsOf(() => 3);
    truncate(values, 1, 0.7, filter);
    for (const value of middleRow(values)) expect(value).toBeCloseTo(3, 5);
  }
});

it('an edge rings by about 9 %, and less with a filter of k-space', () => {
  const overshoot = (filter: number) => {
    const values = columnsOf((column) => (column < SIDE / 2 ? 0 : 1));
    truncate(values, 1, 0.6, filter);
    return Math.max(...middleRow(values)) - 1;
  };
  expect(overshoot(0)).toBeGreaterThan(0.06);
  expect(overshoot(0)).toBeLessThan(0.13);
  expect(overshoot(1)).toBeLessThan(0.03);
});

it('removes frequencies above the fraction and keeps those below, along its axis only', () => {
  const amplitude = (frequency: number, stride: number) => {
    const values = columnsOf((column) => Math.cos(Math.PI * frequency * column));
    truncate(values, stride, 0.6, 0);
    return Math.max(...middleRow(values).map(Math.abs));
  };
  expect(amplitude(0.3, 1)).toBeGreaterThan(0.85);
  expect(amplitude(0.9, 1)).toBeLessThan(0.15);
  expect(amplitude(0.9, SIDE)).toBeGreaterThan(0.98);
});

it('the kernel is a sinc whose first zero is at 1/fraction samples', () => {
  const kernel = truncationKernel(0.5, 0);
  expect(Math.abs(kernel[2]!)).toBeLessThan(1e-9);
  expect(kernel[1]).toBeGreaterThan(0);
  expect(kernel[3]).toBeLessThan(0);
});
