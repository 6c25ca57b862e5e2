import { expectArguments } from '../../arguments.js';
import { record } from '../autograd.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FORWARD = contract('copy.forward', { x: 'input', y: 'output' });

/**
 * A new tensor with the values of x.
 *
 * @example
 * const snapshot = copy(x);
 */
export function copy(x: Tensor): Tensor {
  expectArguments('copy', arguments.length, 1);
  expectTensor('copy', 'x', x);
  const y = x.device.empty(x.shape);
  x.device.run(FORWARD, { x, y });
  return record(y, [x], [], (gradient) => [gradient]);
}
