import { expectArguments, optionsOf } from '../../arguments.js';
import type { Tensor } from '../tensor.js';
import {
  type ElementwiseLossOptions,
  elementwiseLoss,
  LOSS_DEFAULTS,
  lossContracts,
} from './elementwiseLoss.js';

const LOSS = lossContracts('mse');

/**
 * Squared difference of two tensors of one shape, weighted, as mean or sum: a scalar [1]. The target is a constant:
 * no gradient flows into it.
 *
 * @example
 * mse(device.full([4], 3), device.full([4], 1)); // [4]: the mean of (3 - 1)^2
 */
export function mse(prediction: Tensor, target: Tensor, options: ElementwiseLossOptions = {}): Tensor {
  expectArguments('mse', arguments.length, 3);
  return elementwiseLoss(LOSS, prediction, target, optionsOf('mse', options, LOSS_DEFAULTS));
}
