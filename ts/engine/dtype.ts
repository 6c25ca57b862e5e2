/** The element types of tensors and their typed arrays. */
import { types } from 'node:util';

export const DTYPES = ['float32', 'int32', 'uint16', 'uint8'] as const;
export type DType = (typeof DTYPES)[number];

export interface TypedArrays {
  float32: Float32Array;
  int32: Int32Array;
  uint16: Uint16Array;
  uint8: Uint8Array;
}
export type TypedArray = TypedArrays[DType];

/** The constructor of the typed array of each dtype. */
export const ARRAYS = { float32: Float32Array, int32: Int32Array, uint16: Uint16Array, uint8: Uint8Array };

const IS = {
  float32: types.isFloat32Array,
  int32: types.isInt32Array,
  uint16: types.isUint16Array,
  uint8: types.isUint8Array,
};

/** The dtype of a typed array; undefined for any other value. */
export function dtypeOf(values: unknown): DType | undefined {
  return DTYPES.find((dtype) => IS[dtype](values));
}
