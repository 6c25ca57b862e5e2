import { record } from '../autograd.js';
import { expectNumber, expectTensor } from '../check.js';
import type { Tensor } from '../tensor.js';

/**
 * Each row of x [N, C] divided by max(its Euclidean length, eps). A row shorter than eps is divided by eps, a
 * constant, so the gradient of a row of zeros is finite.
 */
export function l2Normalize(x: Tensor, eps = 1e-12): Tensor {
  const [n] = expectTensor('l2Normalize', 'x', x, { shape: [null, null] }) as [number];
  expectNumber('l2Normalize', 'eps', eps, { above: 0 });
  const { device } = x;
  const y = device.empty(x.shape);
  const divisor = device.empty([n]);
  device.run('l2Normalize.forward', [x], [y, divisor], [eps]);
  return record(y, [x], [divisor], (gradient) => {
    const dx = device.empty(x.shape);
    device.run('l2Normalize.backward', [y, divisor, gradient], [dx], [eps]);
    return [dx];
  });
}
