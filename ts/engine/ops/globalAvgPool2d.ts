import { expectArguments } from '../../arguments.js';
import { record } from '../autograd.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FORWARD = contract('globalAvgPool2d.forward', { x: 'input', y: 'output' });
const BACKWARD = contract('globalAvgPool2d.backward', { dy: 'input', dx: 'output' });

/**
 * Mean over H and W: x [N, C, H, W] -> y [N, C].
 *
 * @example
 * globalAvgPool2d(device.full([2, 64, 3, 3], 1)).shape; // [2, 64]
 */
export function globalAvgPool2d(x: Tensor): Tensor {
  expectArguments('globalAvgPool2d', arguments.length, 1);
  const [n, c] = expectTensor('globalAvgPool2d', 'x', x, { shape: [null, null, null, null] }) as [
    number,
    number,
  ];
  const { device } = x;
  const y = device.empty([n, c]);
  device.run(FORWARD, { x, y });
  return record(y, [x], [], (dy) => {
    const dx = device.empty(x.shape);
    device.run(BACKWARD, { dy, dx });
    return [dx];
  });
}
