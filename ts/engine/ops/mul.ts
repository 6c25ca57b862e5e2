import { record } from '../autograd.js';
import { expectNumber, expectTensor } from '../check.js';
import { contract } from '../contract.js';
import { Tensor } from '../tensor.js';

const FORWARD = contract('mul.forward', { a: 'input', b: 'input', y: 'output' });
const SCALE = contract('mul.scale', { a: 'input', y: 'output', factor: 'real' });

function product(a: Tensor, b: Tensor): Tensor {
  const y = a.device.empty(a.shape);
  a.device.run(FORWARD, { a, b, y });
  return y;
}

function scaled(a: Tensor, factor: number): Tensor {
  const y = a.device.empty(a.shape);
  a.device.run(SCALE, { a, y, factor });
  return y;
}

/** a * b, where b is a tensor of the same shape or a number. */
export function mul(a: Tensor, b: Tensor | number): Tensor {
  expectTensor('mul', 'a', a);
  if (!(b instanceof Tensor)) {
    const factor = expectNumber('mul', 'b', b);
    return record(scaled(a, factor), [a], [], (gradient) => [scaled(gradient, factor)]);
  }
  expectTensor('mul', 'b', b, { shape: a.shape, device: a.device });
  return record(product(a, b), [a, b], [], (gradient, [needsA, needsB]) => [
    needsA ? product(gradient, b) : undefined,
    needsB ? product(gradient, a) : undefined,
  ]);
}
