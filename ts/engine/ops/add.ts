import { ADD, record } from '../autograd.js';
import { expectTensor } from '../check.js';
import type { Tensor } from '../tensor.js';
import { copy } from './copy.js';

/** a + b, tensors of the same shape. */
export function add(a: Tensor, b: Tensor): Tensor {
  expectTensor('add', 'a', a);
  expectTensor('add', 'b', b, { shape: a.shape, device: a.device });
  const y = a.device.empty(a.shape);
  a.device.run(ADD, { a, b, y });
  return record(y, [a, b], [], (gradient, [needsA, needsB]) => [
    needsA ? gradient : undefined,
    needsB ? (needsA ? copy(gradient) : gradient) : undefined,
  ]);
}
