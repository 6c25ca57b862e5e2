import { expectArguments, optionsOf } from '../../arguments.js';
import { expectNumber } from '../check.js';
import type { Tensor } from '../tensor.js';
import {
  type ElementwiseLossOptions,
  elementwiseLoss,
  LOSS_DEFAULTS,
  lossContracts,
} from './elementwiseLoss.js';

const LOSS = lossContracts('smoothL1', { beta: 'real' });

export interface SmoothL1Options extends ElementwiseLossOptions {
  /** The difference at which the square becomes a line, in units of the prediction. Default 1. */
  beta?: number;
}

const DEFAULTS = { ...LOSS_DEFAULTS, beta: 1 };

/**
 * d^2 / (2 beta) if |d| < beta, else |d| - beta / 2, of d = prediction - target (Girshick, "Fast R-CNN", 2015),
 * weighted, as mean or sum: a scalar [1]. The target is a constant: no gradient flows into it.
 *
 * @example
 * smoothL1(device.full([4], 3), device.full([4], 1), { beta: 1 }); // [1.5]
 */
export function smoothL1(prediction: Tensor, target: Tensor, options: SmoothL1Options = {}): Tensor {
  expectArguments('smoothL1', arguments.length, 3);
  const given = optionsOf('smoothL1', options, DEFAULTS);
  const beta = expectNumber('smoothL1', 'beta', given.beta, { above: 0 });
  return elementwiseLoss(LOSS, prediction, target, given, beta);
}
