import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { found } from '../check.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FORWARD = contract('concat.forward', { inputs: 'input[]', y: 'output' });
const BACKWARD = contract('concat.backward', { dy: 'input', dx: 'output', first: 'integer' });

/**
 * Concatenates tensors [N, C_i, ...] along axis 1, as torch.cat with dim=1: y [N, sum of C_i, ...]. All other axes must
 * be equal. Each gradient is the slice of dy that came from its tensor.
 *
 * @example
 * concat([device.zeros([2, 3, 8, 8]), device.zeros([2, 1, 8, 8])], 1).shape; // [2, 4, 8, 8]
 */
export function concat(tensors: readonly Tensor[], dim: 1): Tensor {
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `concat(): tensors: expected an array of at least one tensor, found ${found(tensors)}`,
    );
  }
  if (dim !== 1) {
    throw new SpinegradError('ERR_ARGUMENT', `concat(): dim: expected 1, found ${found(dim)}`);
  }
  const inputs: readonly Tensor[] = [...tensors];
  const [n, , ...rest] = expectTensor('concat', 'tensors[0]', inputs[0]!);
  const { device } = inputs[0]!;
  if (inputs[0]!.shape.length < 2) {
    throw new SpinegradError(
      'ERR_SHAPE',
      `concat(): tensors[0]: expected at least two axes, found shape [${inputs[0]!.shape}]`,
    );
  }
  const channels = inputs.map(
    (x, index) => expectTensor('concat', `tensors[${index}]`, x, { shape: [n!, null, ...rest], device })[1]!,
  );
  const y = device.empty([n!, channels.reduce((total, count) => total + count), ...rest]);
  device.run(FORWARD, { inputs, y });
  return record(y, inputs, [], (dy, needs) => {
    let next = 0;
    return inputs.map((x, index) => {
      const first = next;
      next += channels[index]!;
      if (!needs[index]) return undefined;
      const dx = device.empty(x.shape);
      device.run(BACKWARD, { dy, dx, first });
      return dx;
    });
  });
}
