/** Checks of arguments. An error names the operation, the argument, the value found and the value expected. */
import { found } from '../arguments.js';
import { SpinegradError } from '../error.js';

/** The smallest positive number that float32 holds in full precision. */
const SMALLEST = 2 ** -126;

/** Checks a number against a range. It must also be finite, or above 0, after rounding to float32. */
export function expectNumber(
  operation: string,
  argument: string,
  value: number,
  range: { min?: number; max?: number; above?: number; below?: number; integer?: boolean } = {},
): number {
  const { min, max, above, below, integer } = range;
  const fits =
    typeof value === 'number' &&
    Number.isFinite(Math.fround(value)) &&
    (min === undefined || value >= min) &&
    (max === undefined || value <= max) &&
    (above === undefined || value > above) &&
    !(above === 0 && value < SMALLEST) &&
    (below === undefined || value < below) &&
    (!integer || Number.isSafeInteger(value));
  if (!fits) {
    const bounds = [
      min !== undefined && `>= ${min}`,
      above !== undefined && (above === 0 ? `>= ${SMALLEST.toPrecision(3)}` : `> ${above}`),
      max !== undefined && `<= ${max}`,
      below !== undefined && `< ${below}`,
    ].filter(Boolean);
    const kind = integer ? 'an integer' : 'a finite float32';
    const expected = [kind, bounds.join(' and ')].join(' ').trim();
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `${operation}(): ${argument}: expected ${expected}, found ${found(value)}`,
    );
  }
  return value;
}

/** Range of the temperature of a softmax. Outside of it, quotients of ordinary numbers leave the range of float32. */
export const TEMPERATURE = { min: 1e-6, max: 1e6 };

/** Checks that a value is one of `words`. */
export function expectOneOf<T extends string>(
  operation: string,
  argument: string,
  value: T,
  words: readonly T[],
): T {
  if (!words.includes(value)) {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `${operation}(): ${argument}: expected one of ${words.join(', ')}, found ${found(value)}`,
    );
  }
  return value;
}

/** One number for both axes, or one for each. */
export type Pair = number | readonly [number, number];

/** Checks a `Pair` option of integers, at most 65536. */
export function expectPair(
  operation: string,
  argument: string,
  value: Pair,
  min: number,
): readonly [number, number] {
  const pair = Array.isArray(value) ? [...value] : [value, value];
  if (pair.length !== 2) {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `${operation}(): ${argument}: expected an integer or a pair of integers, found ${found(value)}`,
    );
  }
  for (const number of pair) expectNumber(operation, argument, number, { min, max: 65536, integer: true });
  return pair as [number, number];
}

/** Checks that a value is a function. */
export function expectFunction(operation: string, value: unknown): void {
  if (typeof value === 'function') return;
  throw new SpinegradError('ERR_ARGUMENT', `${operation}(): expected a function, found ${found(value)}`);
}

/** Checks a shape and returns a frozen copy. */
export function expectShape(operation: string, shape: readonly number[]): readonly number[] {
  const sizes = Array.isArray(shape) ? [...shape] : [0];
  let elements = sizes.length > 6 ? Number.NaN : 1;
  for (const size of sizes) elements *= Number.isSafeInteger(size) && size > 0 ? size : Number.NaN;
  if (!(elements < 2 ** 40)) {
    throw new SpinegradError(
      'ERR_SHAPE',
      `${operation}(): shape: expected at most 6 positive integers, of a product below 2^40, found ${found(shape)}`,
    );
  }
  return Object.freeze(sizes);
}
