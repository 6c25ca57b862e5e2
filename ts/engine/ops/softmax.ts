import { record } from '../autograd.js';
import { expectTensor } from '../check.js';
import type { Tensor } from '../tensor.js';

/** exp(x) / sum(exp(x)) over the last axis of x [N, C], without overflow for any finite x. */
export function softmax(x: Tensor): Tensor {
  expectTensor('softmax', 'x', x, { shape: [null, null] });
  const { device } = x;
  const y = device.empty(x.shape);
  device.run('softmax.forward', [x], [y]);
  return record(y, [x], [], (gradient) => {
    const dx = device.empty(x.shape);
    device.run('softmax.backward', [y, gradient], [dx]);
    return [dx];
  });
}
