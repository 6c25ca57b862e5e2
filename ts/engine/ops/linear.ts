import { expectArguments } from '../../arguments.js';
import { record } from '../autograd.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FPROP = contract('linear.fprop', { x: 'input', weight: 'input', bias: 'input?', y: 'output' });
const DGRAD = contract('linear.dgrad', { dy: 'input', weight: 'input', dx: 'output' });
const WGRAD = contract('linear.wgrad', { x: 'input', dy: 'input', dw: 'output' });
const BIAS_GRAD = contract('linear.biasGrad', { dy: 'input', db: 'output' });

/**
 * y = x weight^T + bias: x [N, C], weight [K, C], bias [K] or none, y [N, K].
 *
 * @example
 * linear(device.full([2, 8], 1), device.full([3, 8], 0.5), device.full([3], 1)); // [2, 3], all 5
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  expectArguments('linear', arguments.length, 3);
  const [n, c] = expectTensor('linear', 'x', x, { shape: [null, null] }) as [number, number];
  const { device } = x;
  const [k] = expectTensor('linear', 'weight', weight, { shape: [null, c], device }) as [number];
  if (bias) expectTensor('linear', 'bias', bias, { shape: [k], device });
  const y = device.empty([n, k]);
  device.run(FPROP, { x, weight, bias, y });
  return record(y, bias ? [x, weight, bias] : [x, weight], [], (dy, [needsX, needsWeight, needsBias]) => {
    const dx = needsX ? device.empty(x.shape) : undefined;
    if (dx) device.run(DGRAD, { dy, weight, dx });
    const dw = needsWeight ? device.empty(weight.shape) : undefined;
    if (dw) device.run(WGRAD, { x, dy, dw });
    const db = needsBias ? device.empty([k]) : undefined;
    if (db) device.run(BIAS_GRAD, { dy, db });
    return [dx, dw, db];
  });
}
