import { expectArguments } from '../../arguments.js';
import { SpinegradError } from '../../error.js';
import { expectNumber } from '../check.js';
import { contract } from '../contract.js';
import type { Tensor } from '../tensor.js';
import { expectTuples, groupsOf, type ParameterGroup, type Parameters } from './multitensor.js';

const FORWARD = contract('clipGradNorm.forward', { gradient: 'update[]', norm: 'output', maxNorm: 'real' });

/**
 * Scales the gradients of `parameters` in place so that their Euclidean norm, taken over all of them together, is at
 * most `maxNorm`. Returns the norm before the scaling as a tensor of one value, without reading it back to the host.
 * Parameters are given in the forms that optimizers take; those without a gradient are ignored. A norm that is not finite makes the gradients NaN, as in PyTorch.
 *
 * @example
 * backward(loss);
 * clipGradNorm(net.parameters(), 1).dispose();
 * optimizer.step();
 */
export function clipGradNorm(
  parameters: Parameters | readonly ParameterGroup<object>[],
  maxNorm: number,
): Tensor {
  expectArguments('clipGradNorm', arguments.length, 2);
  expectNumber('clipGradNorm', 'maxNorm', maxNorm, { above: 0 });
  const gradients = groupsOf('clipGradNorm', parameters).flatMap((group) =>
    [...group.parameters.values()].flatMap(({ grad }) => (grad ? [{ gradient: grad }] : [])),
  );
  const lists = expectTuples('clipGradNorm', gradients, ['gradient']);
  if (!lists) {
    throw new SpinegradError(
      'ERR_NO_GRADIENT',
      'clipGradNorm(): parameters: expected at least one with a gradient, found none; call backward() first',
    );
  }
  const norm = lists.device.empty([]);
  lists.device.run(FORWARD, { gradient: lists.tensors.gradient, norm, maxNorm });
  return norm;
}
