import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { expectPair, expectTensor, type Pair } from '../check.js';
import type { Tensor } from '../tensor.js';

export interface Conv2dOptions {
  /** [K]. */
  bias?: Tensor | undefined;
  stride?: Pair;
  padding?: Pair;
}

/**
 * Cross-correlation of images x [N, C, H, W] with filters weight [K, C, R, S], zero padding on both sides:
 * y [N, K, P, Q] with P = floor((H + 2 padding - R) / stride) + 1, Q alike.
 */
export function conv2d(x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor {
  const [n, c, h, w] = expectTensor('conv2d', 'x', x, { shape: [null, null, null, null] }) as [
    number,
    number,
    number,
    number,
  ];
  const { device } = x;
  const [k, , r, s] = expectTensor('conv2d', 'weight', weight, { shape: [null, c, null, null], device }) as [
    number,
    number,
    number,
    number,
  ];
  const { bias, stride = 1, padding = 0 } = options ?? {};
  if (bias) expectTensor('conv2d', 'bias', bias, { shape: [k], device });
  const strides = expectPair('conv2d', 'stride', stride, 1);
  const pads = expectPair('conv2d', 'padding', padding, 0);
  const p = Math.floor((h + 2 * pads[0] - r) / strides[0]) + 1;
  const q = Math.floor((w + 2 * pads[1] - s) / strides[1]) + 1;
  if (p < 1 || q < 1) {
    throw new SpinegradError(
      'ERR_SHAPE',
      `conv2d(): x: expected images of at least the filter's ${r}x${s} with padding ${pads}, found ${h}x${w}`,
    );
  }
  const attributes = [...strides, ...pads];
  const y = device.empty([n, k, p, q]);
  device.run('conv2d.fprop', [x, weight, bias], [y], attributes);
  const inputs = bias ? [x, weight, bias] : [x, weight];
  return record(y, inputs, [], (gradient, [needsX, needsWeight, needsBias]) => {
    const dx = needsX ? device.empty(x.shape) : undefined;
    if (dx) device.run('conv2d.dgrad', [gradient, weight], [dx], attributes);
    const dw = needsWeight ? device.empty(weight.shape) : undefined;
    if (dw) device.run('conv2d.wgrad', [x, gradient], [dw], attributes);
    const db = needsBias ? device.empty([k]) : undefined;
    if (db) device.run('conv2d.biasGrad', [gradient], [db]);
    return [dx, dw, db];
  });
}
