import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { expectPair, expectTensor, type Pair } from '../check.js';
import type { Tensor } from '../tensor.js';

export interface MaxPool2dOptions {
  /** Default: the kernel size. */
  stride?: Pair;
  /** At most half the kernel. */
  padding?: Pair;
}

/** Largest value in each window of x [N, C, H, W]; the gradient goes to the first that is largest. */
export function maxPool2d(x: Tensor, kernelSize: Pair, options: MaxPool2dOptions = {}): Tensor {
  const [n, c, h, w] = expectTensor('maxPool2d', 'x', x, { shape: [null, null, null, null] }) as [
    number,
    number,
    number,
    number,
  ];
  const { stride = kernelSize, padding = 0 } = options ?? {};
  const kernel = expectPair('maxPool2d', 'kernelSize', kernelSize, 1);
  const strides = expectPair('maxPool2d', 'stride', stride, 1);
  const pads = expectPair('maxPool2d', 'padding', padding, 0);
  const p = Math.floor((h + 2 * pads[0] - kernel[0]) / strides[0]) + 1;
  const q = Math.floor((w + 2 * pads[1] - kernel[1]) / strides[1]) + 1;
  const paddedTooFar = 2 * pads[0] > kernel[0] || 2 * pads[1] > kernel[1];
  if (p < 1 || q < 1 || paddedTooFar || kernel[0] * kernel[1] > 256) {
    throw new SpinegradError(
      'ERR_SHAPE',
      `maxPool2d(): expected a kernel of at most 256 values that fits ${h}x${w} and a padding of at most half of it, ` +
        `found kernel ${kernel}, padding ${pads}`,
    );
  }
  const attributes = [...kernel, ...strides, ...pads];
  const { device } = x;
  const y = device.empty([n, c, p, q]);
  const winner = device.empty([n, c, p, q], 'uint8');
  device.run('maxPool2d.forward', [x], [y, winner], attributes);
  return record(y, [x], [winner], (gradient) => {
    const dx = device.empty(x.shape);
    device.run('maxPool2d.backward', [gradient, winner], [dx], attributes);
    return [dx];
  });
}
