import { expectArguments } from '../../arguments.js';
import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FORWARD = contract('gather.forward', { x: 'input', indices: 'input', y: 'output' });
const BACKWARD = contract('gather.backward', { dy: 'input', indices: 'input', dx: 'output' });

/**
 * Rows of x [M, ...] by `indices` (int32 [N]): y [N, ...] with y[n] = x[indices[n]]. If an index is
 * outside 0..M-1, the next read rejects with `ERR_INDEX`. The gradient sums rows that occur more than once.
 *
 * @example
 * const x = device.tensor(Float32Array.of(1, 2, 3), [3, 1]);
 * gather(x, device.tensor(Int32Array.of(2, 0))); // [[3], [1]]
 */
export function gather(x: Tensor, indices: Tensor): Tensor {
  expectArguments('gather', arguments.length, 2);
  const shape = expectTensor('gather', 'x', x);
  const { device } = x;
  const [n] = expectTensor('gather', 'indices', indices, { dtype: 'int32', shape: [null], device });
  if (shape.length === 0) {
    throw new SpinegradError('ERR_SHAPE', 'gather(): x: expected at least one axis, found a scalar');
  }
  const y = device.empty([n!, ...shape.slice(1)]);
  device.run(FORWARD, { x, indices, y });
  return record(y, [x], [], (dy) => {
    const dx = device.empty(shape);
    device.run(BACKWARD, { dy, indices, dx });
    return [dx];
  });
}
