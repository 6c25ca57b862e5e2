import { expectArguments, found } from '../../arguments.js';
import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FORWARD = contract('concat.forward', { inputs: 'input[]', y: 'output', axis: 'integer' });
const BACKWARD = contract('concat.backward', {
  dy: 'input',
  dx: 'output',
  first: 'integer',
  axis: 'integer',
});

/**
 * Concatenates tensors of at least two axes along axis 0 or 1, as torch.cat. All other axes must be equal. Each gradient is the slice of dy that came from its tensor.
 *
 * @example
 * concat([device.zeros([2, 3, 8, 8]), device.zeros([2, 1, 8, 8])], 1).shape; // [2, 4, 8, 8]
 * concat([device.zeros([5, 3]), device.zeros([2, 3])], 0).shape; // [7, 3]
 */
export function concat(tensors: readonly Tensor[], dim: 0 | 1): Tensor {
  expectArguments('concat', arguments.length, 2);
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `concat(): tensors: expected an array of at least one tensor, found ${found(tensors)}`,
    );
  }
  if (dim !== 0 && dim !== 1) {
    throw new SpinegradError('ERR_ARGUMENT', `concat(): dim: expected 0 or 1, found ${found(dim)}`);
  }
  const inputs: readonly Tensor[] = [...tensors];
  const shape = expectTensor('concat', 'tensors[0]', inputs[0]!);
  const { device } = inputs[0]!;
  if (shape.length < 2) {
    throw new SpinegradError(
      'ERR_SHAPE',
      `concat(): tensors[0]: expected at least two axes, found shape [${shape}]`,
    );
  }
  const expected = shape.map((size, axis) => (axis === dim ? null : size));
  const counts = inputs.map(
    (x, index) => expectTensor('concat', `tensors[${index}]`, x, { shape: expected, device })[dim]!,
  );
  const total = counts.reduce((sum, count) => sum + count);
  const y = device.empty(shape.map((size, axis) => (axis === dim ? total : size)));
  device.run(FORWARD, { inputs, y, axis: dim });
  return record(y, inputs, [], (dy, needs) => {
    let next = 0;
    return inputs.map((x, index) => {
      const first = next;
      next += counts[index]!;
      if (!needs[index]) return undefined;
      const dx = device.empty(x.shape);
      device.run(BACKWARD, { dy, dx, first, axis: dim });
      return dx;
    });
  });
}
