import { record } from '../autograd.js';
import { expectTensor } from '../check.js';
import type { Tensor } from '../tensor.js';

/** log(softmax(x)) over the last axis of x [N, C], finite for any finite x. */
export function logSoftmax(x: Tensor): Tensor {
  expectTensor('logSoftmax', 'x', x, { shape: [null, null] });
  const { device } = x;
  const y = device.empty(x.shape);
  device.run('logSoftmax.forward', [x], [y]);
  return record(y, [x], [], (gradient) => {
    const dx = device.empty(x.shape);
    device.run('logSoftmax.backward', [y, gradient], [dx]);
    return [dx];
  });
}
