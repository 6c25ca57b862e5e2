import { expectArguments, optionsOf } from '../../arguments.js';
import type { Tensor } from '../tensor.js';
import {
  type ElementwiseLossOptions,
  elementwiseLoss,
  LOSS_DEFAULTS,
  lossContracts,
} from './elementwiseLoss.js';

const LOSS = lossContracts('bceWithLogits');

/**
 * Binary cross entropy of sigmoid(logits) and targets in 0..1, tensors of one shape, weighted, as mean or sum: a scalar
 * [1]. The same as torch.nn.functional.binary_cross_entropy_with_logits, except that a weighted mean divides by the sum
 * of the weights. Computed as max(z, 0) - z y + log(1 + exp(-|z|)), which does not overflow. The targets are constants:
 * no gradient flows into them.
 *
 * @example
 * bceWithLogits(device.full([4], 0), device.full([4], 1)); // [0.693]: log 2
 */
export function bceWithLogits(logits: Tensor, targets: Tensor, options: ElementwiseLossOptions = {}): Tensor {
  expectArguments('bceWithLogits', arguments.length, 3);
  return elementwiseLoss(LOSS, logits, targets, optionsOf('bceWithLogits', options, LOSS_DEFAULTS));
}
