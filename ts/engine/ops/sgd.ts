import { expectArguments, optionsOf } from '../../arguments.js';
import { expectNumber } from '../check.js';
import { contract } from '../contract.js';
import type { Tensor } from '../tensor.js';
import { expectTuples } from './multitensor.js';

const STEP = contract('sgd.step', {
  parameter: 'update[]',
  gradient: 'input[]',
  velocity: 'update[]',
  learningRate: 'real',
  momentum: 'real',
  weightDecay: 'real',
  nesterov: 'flag',
  decoupled: 'flag',
});

export interface SgdTensors {
  parameter: Tensor;
  gradient: Tensor;
  /** Decaying sum of the gradients; zeros before the first step. */
  velocity: Tensor;
}

export interface SgdStepOptions {
  learningRate: number;
  /** Default 0: plain gradient descent. */
  momentum?: number;
  /** Default 0. */
  weightDecay?: number;
  /** Nesterov momentum. Default false. */
  nesterov?: boolean;
  /** Decoupled weight decay: scale the parameter instead of adding weightDecay * parameter to the gradient. Default false. */
  decoupled?: boolean;
}

const NAMES = ['parameter', 'gradient', 'velocity'] as const;

const DEFAULTS = {
  learningRate: undefined,
  momentum: 0,
  weightDecay: 0,
  nesterov: false,
  decoupled: false,
};

/** One step of SGD with momentum for many parameters at once, in place, as PyTorch computes it (dampening 0). */
export function sgd(tensors: readonly SgdTensors[], options: SgdStepOptions): void {
  expectArguments('sgd', arguments.length, 2);
  const { learningRate, momentum, weightDecay, nesterov, decoupled } = optionsOf('sgd', options, DEFAULTS);
  expectNumber('sgd', 'learningRate', learningRate, { min: 0 });
  expectNumber('sgd', 'momentum', momentum, { min: 0, below: 1 });
  expectNumber('sgd', 'weightDecay', weightDecay, { min: 0 });
  const lists = expectTuples('sgd', tensors, NAMES);
  if (!lists) return;
  const { parameter, gradient, velocity } = lists.tensors;
  lists.device.run(STEP, {
    parameter,
    gradient,
    velocity,
    learningRate,
    momentum,
    weightDecay,
    nesterov: Boolean(nesterov),
    decoupled: Boolean(decoupled),
  });
}
