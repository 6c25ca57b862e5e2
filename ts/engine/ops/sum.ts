import { record } from '../autograd.js';
import { expectTensor } from '../check.js';
import type { Tensor } from '../tensor.js';

/** The sum of all elements of x, whatever its shape: a scalar [1]. */
export function sum(x: Tensor): Tensor {
  expectTensor('sum', 'x', x);
  const { device } = x;
  const y = device.empty([1]);
  device.run('sum.forward', [x], [y]);
  return record(y, [x], [], (gradient) => {
    const dx = device.empty(x.shape);
    device.run('sum.backward', [gradient], [dx]);
    return [dx];
  });
}
