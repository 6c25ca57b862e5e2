import type { Tensor } from '../tensor.js';
import { type ElementwiseLossOptions, elementwiseLoss, lossContracts } from './elementwiseLoss.js';

const LOSS = lossContracts('mse');

/**
 * Squared difference of two tensors of one shape, weighted, as mean or sum: a scalar [1]. The target is a constant:
 * no gradient flows into it.
 */
export function mse(prediction: Tensor, target: Tensor, options: ElementwiseLossOptions = {}): Tensor {
  return elementwiseLoss(LOSS, prediction, target, options);
}
