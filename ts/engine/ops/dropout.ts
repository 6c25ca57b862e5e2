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

/**
 * Inverted dropout: an element is 0 with probability p, else x / (1 - p). The mask is a pure function of
 * (seed, step, row-major element). It is recomputed for the gradient, not stored.
 *
 * @example
 * const y = dropout(x, { p: 0.2, seed: 7, step: 0 });
 */
export function dropout(x: Tensor, options: DropoutOptions): Tensor {
  expectTensor('dropout', 'x', x);
  const word = { min: 0, max: 2 ** 32 - 1, integer: true };
  const probability = expectNumber('dropout', 'p', options?.p, { min: 0, below: 1 });
  const seed = expectNumber('dropout', 'seed', options.seed, word);
  const step = expectNumber('dropout', 'step', options.step, word);
  const masked = (tensor: Tensor): Tensor => {
    const y = x.device.empty(x.shape);
    x.device.run(FORWARD, { x: tensor, y, probability, seed, step });
    return y;
  };
  return record(masked(x), [x], [], (gradient) => [masked(gradient)]);
}
