import { expectArguments, optionsOf } from '../../arguments.js';
import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { expectPair, type Pair } from '../check.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const WINDOW = {
  kernelH: 'integer',
  kernelW: 'integer',
  strideH: 'integer',
  strideW: 'integer',
  padH: 'integer',
  padW: 'integer',
} as const;
const FORWARD = contract('maxPool2d.forward', { x: 'input', y: 'output', winner: 'output', ...WINDOW });
const BACKWARD = contract('maxPool2d.backward', { dy: 'input', winner: 'input', dx: 'output', ...WINDOW });

export interface MaxPool2dOptions {
  /** Default: the kernel size. */
  stride?: Pair;
  /** At most half the kernel. */
  padding?: Pair;
}

const DEFAULTS = { stride: undefined, padding: 0 };

/**
 * Maximum of each window of x [N, C, H, W]. The gradient goes to the first maximum of the window.
 *
 * @example
 * maxPool2d(device.full([1, 64, 48, 48], 1), 3, { stride: 2, padding: 1 }).shape; // [1, 64, 24, 24]
 */
export function maxPool2d(x: Tensor, kernelSize: Pair, options: MaxPool2dOptions = {}): Tensor {
  expectArguments('maxPool2d', arguments.length, 3);
  const { stride, padding } = optionsOf('maxPool2d', options, DEFAULTS);
  const [n, c, h, w] = expectTensor('maxPool2d', 'x', x, { shape: [null, null, null, null] }) as [
    number,
    number,
    number,
    number,
  ];
  const [kernelH, kernelW] = expectPair('maxPool2d', 'kernelSize', kernelSize, 1);
  const [strideH, strideW] = expectPair('maxPool2d', 'stride', stride ?? kernelSize, 1);
  const [padH, padW] = expectPair('maxPool2d', 'padding', padding, 0);
  const p = Math.floor((h + 2 * padH - kernelH) / strideH) + 1;
  const q = Math.floor((w + 2 * padW - kernelW) / strideW) + 1;
  const paddedTooFar = 2 * padH > kernelH || 2 * padW > kernelW;
  if (p < 1 || q < 1 || paddedTooFar || kernelH * kernelW > 256) {
    throw new SpinegradError(
      'ERR_SHAPE',
      `maxPool2d(): expected a kernel of at most 256 values that fits ${h}x${w} and a padding of at most half of it, ` +
        `found kernel ${kernelH},${kernelW}, padding ${padH},${padW}`,
    );
  }
  const { device } = x;
  const y = device.empty([n, c, p, q]);
  const winner = device.empty([n, c, p, q], 'uint8');
  device.run(FORWARD, {
    x,
    y,
    winner,
    kernelH,
    kernelW,
    strideH,
    strideW,
    padH,
    padW,
  });
  return record(y, [x], [winner], (dy) => {
    const dx = device.empty(x.shape);
    device.run(BACKWARD, {
      dy,
      winner,
      dx,
      kernelH,
      kernelW,
      strideH,
      strideW,
      padH,
      padW,
    });
    return [dx];
  });
}
