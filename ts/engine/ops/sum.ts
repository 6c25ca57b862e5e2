import { expectArguments } from '../../arguments.js';
import { record } from '../autograd.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FORWARD = contract('sum.forward', { x: 'input', y: 'output' });
const BACKWARD = contract('sum.backward', { dy: 'input', dx: 'output' });

/**
 * The sum of all elements of x, of any shape: a scalar [1].
 *
 * @example
 * sum(device.full([2, 3], 1)); // [6]
 */
export function sum(x: Tensor): Tensor {
  expectArguments('sum', arguments.length, 1);
  expectTensor('sum', 'x', x);
  const { device } = x;
  const y = device.empty([1]);
  device.run(FORWARD, { x, y });
  return record(y, [x], [], (dy) => {
    const dx = device.empty(x.shape);
    device.run(BACKWARD, { dy, dx });
    return [dx];
  });
}
