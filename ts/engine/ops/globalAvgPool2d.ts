import { record } from '../autograd.js';
import { expectTensor } from '../check.js';
import type { Tensor } from '../tensor.js';

/** Mean over H and W: x [N, C, H, W] -> y [N, C]. */
export function globalAvgPool2d(x: Tensor): Tensor {
  const [n, c] = expectTensor('globalAvgPool2d', 'x', x, { shape: [null, null, null, null] }) as [
    number,
    number,
  ];
  const { device } = x;
  const y = device.empty([n, c]);
  device.run('globalAvgPool2d.forward', [x], [y]);
  return record(y, [x], [], (gradient) => {
    const dx = device.empty(x.shape);
    device.run('globalAvgPool2d.backward', [gradient], [dx]);
    return [dx];
  });
}
