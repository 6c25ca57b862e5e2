import { expectArguments, optionsOf } from '../../arguments.js';
import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { expectPair, type Pair } from '../check.js';
import { contract, UNARY_BACKWARD } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const STRIDE_AND_PADDING = {
  strideH: 'integer',
  strideW: 'integer',
  padH: 'integer',
  padW: 'integer',
} as const;
const FPROP = contract('conv2d.fprop', {
  x: 'input',
  weight: 'input',
  bias: 'input?',
  residual: 'input?',
  y: 'output',
  ...STRIDE_AND_PADDING,
  relu: 'flag',
  forBatchNorm: 'flag',
});
const DGRAD = contract('conv2d.dgrad', {
  dy: 'input',
  weight: 'input',
  dx: 'output',
  ...STRIDE_AND_PADDING,
});
const WGRAD = contract('conv2d.wgrad', { x: 'input', dy: 'input', dw: 'output', ...STRIDE_AND_PADDING });
const BIAS_GRAD = contract('conv2d.biasGrad', { dy: 'input', db: 'output' });
const RELU_BACKWARD = contract('relu.backward', UNARY_BACKWARD);

export interface Conv2dOptions {
  /** [K]. */
  bias?: Tensor | undefined;
  stride?: Pair;
  padding?: Pair;
  /** Apply a ReLU to the result, fused. Default false. */
  relu?: boolean;
  /** Added before the ReLU, fused; of the shape of y. */
  residual?: Tensor | undefined;
  /**
   * The result is the input of a training `batchNorm2d`: the device may compute the statistics of its channels here. It
   * changes results only by rounding. Default false.
   */
  forBatchNorm?: boolean;
}

const DEFAULTS = {
  bias: undefined,
  stride: 1,
  padding: 0,
  relu: false,
  residual: undefined,
  forBatchNorm: false,
};

/**
 * Cross-correlation of images x [N, C, H, W] with filters weight [K, C, R, S], zero padding on both sides:
 * y [N, K, P, Q] with P = floor((H + 2 padding - R) / stride) + 1, Q likewise; bias, residual and ReLU by option.
 *
 * @example
 * const x = device.full([1, 3, 8, 8], 1);
 * const weight = device.full([16, 3, 3, 3], 0.1);
 * conv2d(x, weight, { stride: 2, padding: 1 }).shape; // [1, 16, 4, 4]
 */
export function conv2d(x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor {
  expectArguments('conv2d', arguments.length, 3);
  const { bias, stride, padding, relu, residual, forBatchNorm } = optionsOf('conv2d', options, DEFAULTS);
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
  if (bias) expectTensor('conv2d', 'bias', bias, { shape: [k], device });
  const [strideH, strideW] = expectPair('conv2d', 'stride', stride, 1);
  const [padH, padW] = expectPair('conv2d', 'padding', padding, 0);
  const p = Math.floor((h + 2 * padH - r) / strideH) + 1;
  const q = Math.floor((w + 2 * padW - s) / strideW) + 1;
  if (p < 1 || q < 1) {
    throw new SpinegradError(
      'ERR_SHAPE',
      `conv2d(): x: expected images of at least the filter's ${r}x${s} with padding ${padH},${padW}, found ${h}x${w}`,
    );
  }
  if (residual) expectTensor('conv2d', 'residual', residual, { shape: [n, k, p, q], device });
  const y = device.empty([n, k, p, q]);
  device.run(FPROP, {
    x,
    weight,
    bias,
    residual,
    y,
    strideH,
    strideW,
    padH,
    padW,
    relu: Boolean(relu),
    forBatchNorm: Boolean(forBatchNorm),
  });
  const inputs = [x, weight, bias, residual].filter((tensor) => tensor !== undefined);
  return record(y, inputs, [], (gradient, needs) => {
    const needed = (tensor: Tensor | undefined) => tensor !== undefined && needs[inputs.indexOf(tensor)];
    const dy = relu ? device.empty(y.shape) : gradient;
    if (relu) device.run(RELU_BACKWARD, { saved: y, dy: gradient, dx: dy });
    const dx = needed(x) ? device.empty(x.shape) : undefined;
    if (dx) device.run(DGRAD, { dy, weight, dx, strideH, strideW, padH, padW });
    const dw = needed(weight) ? device.empty(weight.shape) : undefined;
    if (dw) device.run(WGRAD, { x, dy, dw, strideH, strideW, padH, padW });
    const db = needed(bias) ? device.empty([k]) : undefined;
    if (db) device.run(BIAS_GRAD, { dy, db });
    const dr = needed(residual) ? dy : undefined;
    if (relu && !dr) dy.dispose();
    return [dx, dw, ...(bias ? [db] : []), ...(residual ? [dr] : [])];
  });
}
