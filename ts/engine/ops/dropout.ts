import { expectArguments, optionsOf } from '../../arguments.js';
import { record } from '../autograd.js';
import { expectNumber } from '../check.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FORWARD = contract('dropout.forward', {
  x: 'input',
  y: 'output',
  probability: 'real',
  seed: 'uint32',
  step: 'uint32',
});

export interface DropoutOptions {
  /** Probability that an element becomes 0, from 0 to below 1. */
  p: number;
  /** 32-bit seed. Use a different one in each layer. */
  seed: number;
  /** Training step, 32 bits. */
  step: number;
}

const DEFAULTS = { p: undefined, seed: undefined, step: undefined };

/**
 * Inverted dropout: an element is 0 with probability p, else x / (1 - p). The mask is a pure function of
 * (seed, step, row-major element). It is recomputed for the gradient, not stored.
 *
 * @example
 * const y = dropout(x, { p: 0.2, seed: 7, step: 0 });
 */
export function dropout(x: Tensor, options: DropoutOptions): Tensor {
  expectArguments('dropout', arguments.length, 2);
  const { p: probability, seed, step } = optionsOf('dropout', options, DEFAULTS);
  expectTensor('dropout', 'x', x);
  expectNumber('dropout', 'p', probability, { min: 0, below: 1 });
  const word = { min: 0, max: 2 ** 32 - 1, integer: true };
  expectNumber('dropout', 'seed', seed, word);
  expectNumber('dropout', 'step', step, word);
  const masked = (tensor: Tensor): Tensor => {
    const y = x.device.empty(x.shape);
    x.device.run(FORWARD, { x: tensor, y, probability, seed, step });
    return y;
  };
  return record(masked(x), [x], [], (gradient) => [masked(gradient)]);
}
