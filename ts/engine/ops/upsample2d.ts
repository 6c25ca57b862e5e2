import { expectArguments, optionsOf } from '../../arguments.js';
import { record } from '../autograd.js';
import { expectNumber } from '../check.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FORWARD = contract('upsample2d.forward', { x: 'input', y: 'output', scale: 'integer' });
const BACKWARD = contract('upsample2d.backward', { dy: 'input', dx: 'output', scale: 'integer' });

export interface Upsample2dOptions {
  /** Factor of both sides, an integer from 1 to 16. Default 2. */
  scale?: number;
}

const DEFAULTS = { scale: 2 };

/**
 * Repeats each pixel of x [N, C, H, W] scale x scale times: y [N, C, scale H, scale W]. The same as
 * torch.nn.functional.interpolate with mode 'nearest' and an integer scale_factor. The gradient is the sum of dy over
 * the repeated pixels.
 *
 * The mode is nearest because the convolution after it can learn any smoothing, and a copy needs no arithmetic.
 *
 * @example
 * upsample2d(device.full([1, 64, 16, 16], 1), { scale: 2 }).shape; // [1, 64, 32, 32]
 */
export function upsample2d(x: Tensor, options: Upsample2dOptions = {}): Tensor {
  expectArguments('upsample2d', arguments.length, 2);
  const { scale } = optionsOf('upsample2d', options, DEFAULTS);
  const [n, c, h, w] = expectTensor('upsample2d', 'x', x, { shape: [null, null, null, null] }) as [
    number,
    number,
    number,
    number,
  ];
  expectNumber('upsample2d', 'scale', scale, { min: 1, max: 16, integer: true });
  const { device } = x;
  const y = device.empty([n, c, scale * h, scale * w]);
  device.run(FORWARD, { x, y, scale });
  return record(y, [x], [], (dy) => {
    const dx = device.empty(x.shape);
    device.run(BACKWARD, { dy, dx, scale });
    return [dx];
  });
}
