/** Argument checks of the operations. A failure names the operation, the argument, what was found and expected. */
import { inspect } from 'node:util';
import { SpinegradError } from '../error.js';
import type { Device } from './device.js';
import { type DType, type Shape, Tensor } from './tensor.js';

export interface Expectation {
  dtype?: DType;
  /** One entry an axis; null where any size will do. */
  shape?: readonly (number | null)[];
  /** The tensor must live there. */
  device?: Device;
}

/** Any value as a message shows it: short, and on one line. */
export const found = (value: unknown): string =>
  inspect(value, {
    depth: 0,
    maxArrayLength: 8,
    maxStringLength: 40,
    breakLength: Infinity,
    compact: true,
    customInspect: false,
  });

const show = (shape: readonly (number | null)[]): string =>
  `[${shape.map((size) => size ?? '*').join(', ')}]`;

/** Checks a tensor argument (float32 unless told otherwise) and returns its shape. */
export function expectTensor(
  operation: string,
  argument: string,
  value: Tensor,
  { dtype = 'float32', shape, device }: Expectation = {},
): readonly number[] {
  const fail = (code: `ERR_${string}`, what: string, expected: string): never => {
    throw new SpinegradError(code, `${operation}(): ${argument}: expected ${expected}, found ${what}`);
  };
  if (!(value instanceof Tensor)) fail('ERR_ARGUMENT', found(value), 'a tensor');
  if (value.disposed) fail('ERR_DISPOSED', 'a disposed one', 'a live tensor');
  if (value.dtype !== dtype) fail('ERR_DTYPE', value.dtype, dtype);
  if (device && value.device !== device) {
    fail(
      'ERR_DEVICE',
      `one on ${value.device.name === device.name ? 'another ' : ''}${value.device.name}`,
      `a tensor on the same device as the first (${device.name})`,
    );
  }
  const fits =
    !shape ||
    (shape.length === value.shape.length &&
      shape.every((size, axis) => size === null || size === value.shape[axis]));
  if (!fits) fail('ERR_SHAPE', `shape ${show(value.shape)}`, `shape ${show(shape!)}`);
  return value.shape;
}

/** The least number that float32 holds in full precision. */
const LEAST = 2 ** -126;

/**
 * Checks a numeric option against a range. The kernels compute in float32: what is finite, or above 0, must be so
 * there too.
 */
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
    !(above === 0 && value < LEAST) &&
    (below === undefined || value < below) &&
    (!integer || Number.isSafeInteger(value));
  if (!fits) {
    const bounds = [
      min !== undefined && `>= ${min}`,
      above !== undefined && (above === 0 ? `>= ${LEAST.toPrecision(3)}` : `> ${above}`),
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

/** Of a softmax: beyond it the quotients of ordinary numbers leave float32. */
export const TEMPERATURE = { min: 1e-6, max: 1e6 };

/** Checks that an option is one of the words it may be. */
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

/** A number for both axes, or one for each. */
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

/** Checks that an argument can be called. */
export function expectFunction(operation: string, value: unknown): void {
  if (typeof value === 'function') return;
  throw new SpinegradError('ERR_ARGUMENT', `${operation}(): expected a function, found ${found(value)}`);
}

/** Checks a shape and returns a copy that nobody can change. */
export function expectShape(operation: string, shape: Shape): Shape {
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
