import { record } from '../autograd.js';
import { expectTensor } from '../check.js';
import { contract } from '../contract.js';
import type { Tensor } from '../tensor.js';

const FORWARD = contract('relu.forward', { x: 'input', y: 'output' });
/** @internal */
export const RELU_BACKWARD = contract('relu.backward', { y: 'input', dy: 'input', dx: 'output' });

/** max(x, 0); the gradient at 0 is 0. */
export function relu(x: Tensor): Tensor {
  expectTensor('relu', 'x', x);
  const y = x.device.empty(x.shape);
  x.device.run(FORWARD, { x, y });
  return record(y, [x], [], (dy) => {
    const dx = x.device.empty(x.shape);
    x.device.run(RELU_BACKWARD, { y, dy, dx });
    return [dx];
  });
}
