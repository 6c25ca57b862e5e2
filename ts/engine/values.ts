/** The values that `device.tensor()` takes, converted to a typed array of a dtype. */
import { types } from 'node:util';
import { found } from '../arguments.js';
import { SpinegradError } from '../error.js';
import { dtypeOf, type TypedArray } from './dtype.js';

/** Numbers, or arrays of equal length that nest them. */
export type Nested = readonly (number | Nested)[];

/**
 * Typed arrays of a dtype are taken as they are. An Int8Array or Int16Array makes int32, a Uint8ClampedArray uint8, a
 * Float64Array float32, rounded. Uint32Array and arrays of BigInt fit no dtype.
 */
export type TensorValues = TypedArray | Float64Array | Int8Array | Int16Array | Uint8ClampedArray | Nested;

/** The values in row-major order, and the shape of their nesting. */
export function flatten(values: TensorValues): { array: TypedArray; shape: readonly number[] } {
  if (Array.isArray(values)) return flattenNested(values);
  const array = dtypeOf(values) ? (values as TypedArray) : convert(values);
  if (array) return { array, shape: [array.length] };
  throw new SpinegradError(
    'ERR_DTYPE',
    'tensor(): values: expected (nested) arrays of numbers, or a Float32Array, Float64Array, Int32Array, Int16Array, Int8Array, ' +
      `Uint16Array, Uint8Array or Uint8ClampedArray, found ${found(values)}`,
  );
}

function convert(values: unknown): TypedArray | undefined {
  if (types.isFloat64Array(values)) return Float32Array.from(values);
  if (types.isInt8Array(values) || types.isInt16Array(values)) return Int32Array.from(values);
  if (types.isUint8ClampedArray(values)) return Uint8Array.from(values);
  return undefined;
}

function flattenNested(values: Nested): { array: Float32Array; shape: readonly number[] } {
  const shape: number[] = [];
  for (let first: unknown = values; Array.isArray(first) && shape.length < 7; first = first[0]) {
    shape.push(first.length);
  }
  const numbers: number[] = [];
  const visit = (value: unknown, axis: number): void => {
    if (axis === shape.length) {
      if (typeof value === 'number') return void numbers.push(value);
      throw new SpinegradError(
        'ERR_DTYPE',
        `tensor(): values: expected numbers in arrays nested ${axis} deep, found ${found(value)}`,
      );
    }
    if (!Array.isArray(value) || value.length !== shape[axis]) {
      throw new SpinegradError(
        'ERR_SHAPE',
        `tensor(): values: expected arrays of equal length, shape [${shape}], found ${found(value)} at axis ${axis}`,
      );
    }
    for (let index = 0; index < value.length; index++) visit(value[index], axis + 1);
  };
  visit(values, 0);
  return { array: Float32Array.from(numbers), shape };
}
