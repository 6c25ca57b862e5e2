import { record } from '../autograd.js';
import { expectTensor } from '../check.js';
import type { Tensor } from '../tensor.js';

/** max(x, 0); the gradient at 0 is 0. */
export function relu(x: Tensor): Tensor {
  expectTensor('relu', 'x', x);
  const y = x.device.empty(x.shape);
  x.device.run('relu.forward', [x], [y]);
  return record(y, [x], [], (gradient) => {
    const dx = x.device.empty(x.shape);
    x.device.run('relu.backward', [y, gradient], [dx]);
    return [dx];
  });
}
