import { expectArguments } from '../../arguments.js';
import { record } from '../autograd.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FORWARD = contract('logSoftmax.forward', { x: 'input', y: 'output' });
const BACKWARD = contract('logSoftmax.backward', { y: 'input', dy: 'input', dx: 'output' });

/**
 * log(softmax(x)) over the last axis of x [N, C], finite for any finite x.
 *
 * @example
 * logSoftmax(device.full([1, 2], 7)); // [[-0.693, -0.693]]
 */
export function logSoftmax(x: Tensor): Tensor {
  expectArguments('logSoftmax', arguments.length, 1);
  expectTensor('logSoftmax', 'x', x, { shape: [null, null] });
  const { device } = x;
  const y = device.empty(x.shape);
  device.run(FORWARD, { x, y });
  return record(y, [x], [], (dy) => {
    const dx = device.empty(x.shape);
    device.run(BACKWARD, { y, dy, dx });
    return [dx];
  });
}
