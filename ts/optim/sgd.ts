import { expectArguments, optionsOf } from '../arguments.js';
import type { ParameterGroup, Parameters } from '../engine/ops/multitensor.js';
import { sgd } from '../engine/ops/sgd.js';
import { Optimizer, type ParameterUpdate } from './optimizer.js';

export interface SgdSettings {
  learningRate: number;
  /** Default 0. */
  momentum: number;
  /** Default 0. */
  weightDecay: number;
  /** Default false. */
  nesterov: boolean;
  /** Multiply the parameter by 1 - rate * decay instead of adding decay * parameter to the gradient. Default false. */
  decoupled: boolean;
}

const DEFAULTS: SgdSettings = {
  learningRate: 1e-3,
  momentum: 0,
  weightDecay: 0,
  nesterov: false,
  decoupled: false,
};

/** Stochastic gradient descent with momentum, with the formula of PyTorch. */
export class SGD extends Optimizer<SgdSettings> {
  constructor(
    parameters: Parameters | readonly ParameterGroup<SgdSettings>[],
    settings: Partial<SgdSettings> = {},
  ) {
    expectArguments('SGD', arguments.length, 2);
    super(parameters, optionsOf('SGD', settings, DEFAULTS), ['velocity']);
  }

  protected override update(updates: readonly ParameterUpdate[], settings: SgdSettings): void {
    const tensors = updates.map(({ parameter, gradient, moments }) => ({
      parameter,
      gradient,
      velocity: moments[0]!,
    }));
    sgd(tensors, settings);
  }
}
