/** Input tensors of a case: shape, dtype and distribution of the values. */

import type { DType, TypedArray } from '#spinegrad/engine/dtype.js';
import { type Shape, sizeOf } from '#spinegrad/engine/tensor.js';
import { RandomStream } from '#spinegrad/random.js';

export interface Input {
  shape: Shape;
  dtype: DType;
  /** Distribution of float32 values: N(0, 1) or U(0, 1). */
  kind?: 'normal' | 'uniform';
  /** Exclusive upper bound of int32 values. */
  below?: number;
}

export const normals = (...shape: number[]): Input => ({ shape, dtype: 'float32', kind: 'normal' });
export const uniforms = (...shape: number[]): Input => ({ shape, dtype: 'float32', kind: 'uniform' });
export const integers = (below: number, ...shape: number[]): Input => ({ shape, dtype: 'int32', below });
/** As a mask: about one value in 255 is 0. */
export const bytes = (...shape: number[]): Input => ({ shape, dtype: 'uint8' });
/** Images in the format of the ROI bank. */
export const images = (...shape: number[]): Input => ({ shape, dtype: 'uint16' });

const PERIOD = 65_537; // prime, so that rows of any length differ
const random = new RandomStream(1);
const PATTERNS = {
  normal: Float32Array.from({ length: PERIOD }, () => random.normal(0, 1)),
  uniform: Float32Array.from({ length: PERIOD }, () => random.uniform(0, 1)),
};

export function valuesOf({ shape, dtype, kind = 'uniform', below = 1 }: Input): TypedArray {
  const size = sizeOf(shape);
  const pattern = PATTERNS[kind];
  switch (dtype) {
    case 'int32': // all values equally often, in pseudo-random order
      return new Int32Array(size).map((_, index) => (below % 7919 ? (index * 7919) % below : index % below));
    case 'uint16':
      return new Uint16Array(size).map((_, index) => 65_535 * pattern[index % PERIOD]!);
    case 'uint8':
      return new Uint8Array(size).map((_, index) => 255 * pattern[index % PERIOD]!);
    case 'float32': {
      const values = new Float32Array(size);
      for (let first = 0; first < size; first += PERIOD) {
        values.set(pattern.subarray(0, Math.min(PERIOD, size - first)), first);
      }
      return values;
    }
  }
}
