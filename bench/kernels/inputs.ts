/** Tensors that a case starts from: a shape, a dtype and what values to put in. */
import { type DType, type Shape, sizeOf, type TypedArray } from '#spinegrad/engine/tensor.js';
import { RandomStream } from '#spinegrad/random.js';

export interface Input {
  shape: Shape;
  dtype: DType;
  /** Of float32 values: about 0 with deviation 1, or from 0 to 1. */
  kind?: 'normal' | 'uniform';
  /** int32 values are from 0 to below this. */
  below?: number;
}

export const normals = (...shape: number[]): Input => ({ shape, dtype: 'float32', kind: 'normal' });
export const uniforms = (...shape: number[]): Input => ({ shape, dtype: 'float32', kind: 'uniform' });
export const integers = (below: number, ...shape: number[]): Input => ({ shape, dtype: 'int32', below });
/** Images as the ROI bank has them. */
export const images = (...shape: number[]): Input => ({ shape, dtype: 'uint16' });

const PERIOD = 65_537; // a prime, so that rows of no length repeat
const random = new RandomStream(1);
const PATTERNS = {
  normal: Float32Array.from({ length: PERIOD }, () => random.normal(0, 1)),
  uniform: Float32Array.from({ length: PERIOD }, () => random.uniform(0, 1)),
};

export function valuesOf({ shape, dtype, kind = 'uniform', below = 1 }: Input): TypedArray {
  const size = sizeOf(shape);
  const pattern = PATTERNS[kind];
  switch (dtype) {
    case 'int32': // every value as often, in no order
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
