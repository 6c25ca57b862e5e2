import { expectArguments, optionsOf } from '../../arguments.js';
import { expectNumber } from '../check.js';
import { contract } from '../contract.js';
import type { Tensor } from '../tensor.js';
import { expectTuples } from './multitensor.js';

const STEP = contract('lars.step', {
  parameter: 'update[]',
  gradient: 'input[]',
  velocity: 'update[]',
  learningRate: 'real',
  momentum: 'real',
  weightDecay: 'real',
  trust: 'real',
  adapt: 'flag',
});

export interface LarsTensors {
  parameter: Tensor;
  gradient: Tensor;
  /** Zeros before the first step. */
  velocity: Tensor;
}

export interface LarsStepOptions {
  learningRate: number;
  /** Default 0.9. */
  momentum?: number;
  /** Added to the gradient. Default 0. */
  weightDecay?: number;
  /** Trust coefficient. Default 0.001. */
  trust?: number;
  /** Whether each tensor has a rate of its own. Default true. */
  adapt?: boolean;
}

const NAMES = ['parameter', 'gradient', 'velocity'] as const;

const DEFAULTS = { learningRate: undefined, momentum: 0.9, weightDecay: 0, trust: 1e-3, adapt: true };

/**
 * One step of LARS (You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017) for many parameters
 * at once, in place. With the Euclidean norms of the whole parameter p and its gradient g,
 *
 *   rate = learningRate * trust * |p| / (|g| + weightDecay * |p|)
 *   velocity = momentum * velocity + rate * (g + weightDecay * p);  p -= velocity
 *
 * The rate is `learningRate` without adaptation, and if one of the two norms is 0.
 *
 * @throws SpinegradError ERR_ARGUMENT
 */
export function lars(tensors: readonly LarsTensors[], options: LarsStepOptions): void {
  expectArguments('lars', arguments.length, 2);
  const { learningRate, momentum, weightDecay, trust, adapt } = optionsOf('lars', options, DEFAULTS);
  expectNumber('lars', 'learningRate', learningRate, { min: 0 });
  expectNumber('lars', 'momentum', momentum, { min: 0, below: 1 });
  expectNumber('lars', 'weightDecay', weightDecay, { min: 0 });
  expectNumber('lars', 'trust', trust, { above: 0 });
  const lists = expectTuples('lars', tensors, NAMES);
  if (!lists) return;
  const { parameter, gradient, velocity } = lists.tensors;
  lists.device.run(STEP, {
    parameter,
    gradient,
    velocity,
    learningRate,
    momentum,
    weightDecay,
    trust,
    adapt: Boolean(adapt),
  });
}
