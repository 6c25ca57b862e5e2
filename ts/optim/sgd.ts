import { sgd } from '../engine/ops/sgd.js';
import type { Tensor } from '../engine/tensor.js';
import { Optimizer, type ParameterGroup, type ParameterUpdate } from './optimizer.js';

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

const DEFAULTS = { learningRate: 1e-3, momentum: 0, weightDecay: 0, nesterov: false, decoupled: false };

/** Stochastic gradient descent with momentum, with the formula of PyTorch. */
export class SGD extends Optimizer<SgdSettings> {
  constructor(
    parameters: ReadonlyMap<string, Tensor> | readonly ParameterGroup<SgdSettings>[],
    settings: Partial<SgdSettings> = {},
  ) {
    super(parameters, { ...DEFAULTS, ...settings }, ['velocity']);
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
