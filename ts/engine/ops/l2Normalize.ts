import { expectArguments } from '../../arguments.js';
import { record } from '../autograd.js';
import { expectNumber } from '../check.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FORWARD = contract('l2Normalize.forward', { x: 'input', y: 'output', divisor: 'output', eps: 'real' });
const BACKWARD = contract('l2Normalize.backward', {
  y: 'input',
  divisor: 'input',
  dy: 'input',
  dx: 'output',
  eps: 'real',
});

/**
 * Divides each row of x [N, C] by max(its Euclidean norm, eps). The divisor of a row shorter than eps is the constant
 * eps, so the gradient of a row of zeros is finite.
 *
 * @example
 * l2Normalize(device.tensor(Float32Array.of(3, 4), [1, 2])); // [[0.6, 0.8]]
 */
export function l2Normalize(x: Tensor, eps = 1e-12): Tensor {
  expectArguments('l2Normalize', arguments.length, 2);
  const [n] = expectTensor('l2Normalize', 'x', x, { shape: [null, null] }) as [number];
  expectNumber('l2Normalize', 'eps', eps, { above: 0 });
  const { device } = x;
  const y = device.empty(x.shape);
  const divisor = device.empty([n]);
  device.run(FORWARD, { x, y, divisor, eps });
  return record(y, [x], [divisor], (dy) => {
    const dx = device.empty(x.shape);
    device.run(BACKWARD, { y, divisor, dy, dx, eps });
    return [dx];
  });
}
