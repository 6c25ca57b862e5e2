import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { expectPair, expectTensor, type Pair } from '../check.js';
import type { Tensor } from '../tensor.js';

export interface Conv2dOptions {
  /** [K]. */
  bias?: Tensor | undefined;
  stride?: Pair;
  padding?: Pair;
  /** Fuse a ReLU behind. */
  relu?: boolean;
  /** Fuse the sum with a residual of y's shape, before the ReLU. */
  residual?: Tensor | undefined;
  /**
   * A `batchNorm2d` that trains takes y next: the device may find the statistics of its channels on the way. It changes
   * no result beyond rounding. Default false.
   */
  forBatchNorm?: boolean;
}

/**
 * Cross-correlation of images x [N, C, H, W] with filters weight [K, C, R, S], zero padding on both sides:
 * y [N, K, P, Q] with P = floor((H + 2 padding - R) / stride) + 1, Q alike; bias, residual and ReLU by option.
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
  const { bias, stride = 1, padding = 0, relu = false, residual, forBatchNorm = false } = options ?? {};
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
  if (residual) expectTensor('conv2d', 'residual', residual, { shape: [n, k, p, q], device });
  const attributes = [...strides, ...pads, Number(relu), Number(forBatchNorm)];
  const y = device.empty([n, k, p, q]);
  device.run('conv2d.fprop', [x, weight, bias, residual], [y], attributes);
  const inputs = [x, weight, bias, residual].filter((tensor) => tensor !== undefined);
  return record(y, inputs, [], (gradient, needs) => {
    const needed = (tensor: Tensor | undefined) => tensor !== undefined && needs[inputs.indexOf(tensor)];
    const dy = relu ? device.empty(y.shape) : gradient;
    if (relu) device.run('relu.backward', [y, gradient], [dy]);
    const dx = needed(x) ? device.empty(x.shape) : undefined;
    if (dx) device.run('conv2d.dgrad', [dy, weight], [dx], attributes);
    const dw = needed(weight) ? device.empty(weight.shape) : undefined;
    if (dw) device.run('conv2d.wgrad', [x, dy], [dw], attributes);
    const db = needed(bias) ? device.empty([k]) : undefined;
    if (db) device.run('conv2d.biasGrad', [dy], [db]);
    const dr = needed(residual) ? dy : undefined;
    if (relu && !dr) dy.dispose();
    return [dx, dw, ...(bias ? [db] : []), ...(residual ? [dr] : [])];
  });
}
