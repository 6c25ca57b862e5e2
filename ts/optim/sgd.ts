import { sgd } from '../engine/ops/sgd.js';
import type { Tensor } from '../engine/tensor.js';
import { type Change, Optimizer, type ParameterGroup } from './optimizer.js';

export interface SgdSettings {
  learningRate: number;
  /** Default 0. */
  momentum: number;
  /** Default 0. */
  weightDecay: number;
  /** Default false. */
  nesterov: boolean;
  /** Shrink the parameter itself instead of adding weightDecay * parameter to the gradient. Default false. */
  decoupled: boolean;
}

const DEFAULTS = { learningRate: 1e-3, momentum: 0, weightDecay: 0, nesterov: false, decoupled: false };

/** Stochastic gradient descent with momentum, as PyTorch computes it. */
export class SGD extends Optimizer<SgdSettings> {
  constructor(
    parameters: ReadonlyMap<string, Tensor> | readonly ParameterGroup<SgdSettings>[],
    settings: Partial<SgdSettings> = {},
  ) {
    super(parameters, { ...DEFAULTS, ...settings }, ['velocity']);
  }

  protected override update(changes: readonly Change[], settings: SgdSettings): void {
    const tensors = changes.map(({ parameter, gradient, moments }) => ({
      parameter,
      gradient,
      velocity: moments[0]!,
    }));
    sgd(tensors, settings);
  }
}
