import { record } from '../autograd.js';
import { expectTensor } from '../check.js';
import type { Tensor } from '../tensor.js';

/** y = x weight^T + bias: x [N, C], weight [K, C], bias [K] or none, y [N, K]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [n, c] = expectTensor('linear', 'x', x, { shape: [null, null] }) as [number, number];
  const { device } = x;
  const [k] = expectTensor('linear', 'weight', weight, { shape: [null, c], device }) as [number];
  if (bias) expectTensor('linear', 'bias', bias, { shape: [k], device });
  const y = device.empty([n, k]);
  device.run('linear.fprop', [x, weight, bias], [y]);
  return record(
    y,
    bias ? [x, weight, bias] : [x, weight],
    [],
    (gradient, [needsX, needsWeight, needsBias]) => {
      const dx = needsX ? device.empty(x.shape) : undefined;
      if (dx) device.run('linear.dgrad', [gradient, weight], [dx]);
      const dw = needsWeight ? device.empty(weight.shape) : undefined;
      if (dw) device.run('linear.wgrad', [x, gradient], [dw]);
      const db = needsBias ? device.empty([k]) : undefined;
      if (db) device.run('linear.biasGrad', [gradient], [db]);
      return [dx, dw, db];
    },
  );
}
