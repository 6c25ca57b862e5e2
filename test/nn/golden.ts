/**
 * Comparison of networks with PyTorch; test/oracles writes the golden values in test/nn/golden.
 *
 * Error bound: 8 max(e, u m) with u = 2^-24. The golden values are float64; m is the largest of them, e the error of
 * PyTorch in float32. A network amplifies rounding errors by the same factors for every order of summation. The factor 8
 * is needed because e is the largest error of two runs over few values, which changes by a factor of 2 to 4 between
 * orders of summation. (The largest ratio measured is 2.3 with AVX2 and 5.4 with AVX alone.)
 */
import { expect } from 'vitest';
import type { Device } from '#spinegrad/engine/device.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';

/** The input of the oracles: element i is ((31 i^2 + 17 i) mod 257 - 128) / 64. */
export function patternOn(device: Device, shape: readonly number[]): Tensor {
  const size = shape.reduce((product, axis) => product * axis, 1);
  const values = Float32Array.from({ length: size }, (_, i) => (((31 * i * i + 17 * i) % 257) - 128) / 64);
  return device.tensor(values, shape);
}

export interface Result {
  values: number[];
  float32Error: number;
}

export function expectWithin(found: ArrayLike<number>, { values, float32Error }: Result, what: string): void {
  const largest = Math.max(...values.map(Math.abs));
  const bound = 8 * Math.max(float32Error, 2 ** -24 * largest);
  const error = Math.max(...values.map((value, i) => Math.abs(value - found[i]!)));
  expect(found.length, what).toBe(values.length);
  expect(error, `largest error of ${what}`).toBeLessThanOrEqual(bound);
}
