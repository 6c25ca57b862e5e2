import { expectArguments } from '../../arguments.js';
import { record } from '../autograd.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FORWARD = contract('softmax.forward', { x: 'input', y: 'output' });
const BACKWARD = contract('softmax.backward', { y: 'input', dy: 'input', dx: 'output' });

/**
 * exp(x) / sum(exp(x)) over the last axis of x [N, C], without overflow for any finite x.
 *
 * @example
 * softmax(device.full([1, 2], 7)); // [[0.5, 0.5]]
 */
export function softmax(x: Tensor): Tensor {
  expectArguments('softmax', arguments.length, 1);
  expectTensor('softmax', 'x', x, { shape: [null, null] });
  const { device } = x;
  const y = device.empty(x.shape);
  device.run(FORWARD, { x, y });
  return record(y, [x], [], (dy) => {
    const dx = device.empty(x.shape);
    device.run(BACKWARD, { y, dy, dx });
    return [dx];
  });
}
