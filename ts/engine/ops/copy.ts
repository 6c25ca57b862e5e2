import { record } from '../autograd.js';
import { expectTensor } from '../check.js';
import type { Tensor } from '../tensor.js';

/** The same values in memory of their own. */
export function copy(x: Tensor): Tensor {
  expectTensor('copy', 'x', x);
  const y = x.device.empty(x.shape);
  x.device.run('copy.forward', [x], [y]);
  return record(y, [x], [], (gradient) => [gradient]);
}
