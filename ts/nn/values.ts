import type { Tensor } from '../engine/tensor.js';

/** Tensor values on the host, by name. */
export type Values = Map<string, { shape: readonly number[]; data: Float32Array | Int32Array }>;

/** Reads named tensors from the device, for example `valuesOf(module.state())`. */
export async function valuesOf(tensors: Iterable<readonly [string, Tensor]>): Promise<Values> {
  const reads = [...tensors].map(
    async ([name, tensor]) => [name, { shape: tensor.shape, data: await tensor.data() }] as const,
  );
  return new Map(await Promise.all(reads));
}
