import { expectNumber } from '../check.js';
import type { Tensor } from '../tensor.js';
import { type ElementwiseLossOptions, elementwiseLoss, lossContracts } from './elementwiseLoss.js';

const LOSS = lossContracts('smoothL1', { beta: 'real' });

export interface SmoothL1Options extends ElementwiseLossOptions {
  /** The difference at which the square becomes a line, in units of the prediction. Default 1. */
  beta?: number;
}

/**
 * d^2 / (2 beta) if |d| < beta, else |d| - beta / 2, of d = prediction - target (Girshick, "Fast R-CNN", 2015),
 * weighted, as mean or sum: a scalar [1]. The target is a constant: no gradient flows into it.
 *
 * @example
 * smoothL1(device.full([4], 3), device.full([4], 1), { beta: 1 }); // [1.5]
 */
export function smoothL1(prediction: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor {
  const { beta = 1 } = options ?? {};
  expectNumber('smoothL1', 'beta', beta, { above: 0 });
  return elementwiseLoss(LOSS, prediction, target, options, beta);
}
