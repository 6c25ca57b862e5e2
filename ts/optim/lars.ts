import { expectArguments, optionsOf } from '../arguments.js';
import { lars } from '../engine/ops/lars.js';
import type { ParameterGroup, Parameters } from '../engine/ops/multitensor.js';
import type { Tensor } from '../engine/tensor.js';
import { Optimizer, type ParameterUpdate } from './optimizer.js';

export interface LarsSettings {
  learningRate: number;
  /** Default 0.9. */
  momentum: number;
  /** Default 0. */
  weightDecay: number;
  /** Trust coefficient: size of a step relative to that of the parameter. Default 0.001. */
  trust: number;
}

const DEFAULTS: LarsSettings = { learningRate: 0.1, momentum: 0.9, weightDecay: 0, trust: 1e-3 };

/**
 * LARS (You, Gitman and Ginsburg, 2017): momentum with a learning rate per tensor, in proportion to the norm of the
 * parameter over that of its gradient. Tensors with one axis, which are biases and the weights of norms, are neither adapted
 * nor decayed, as in SimCLR.
 *
 * @example
 * const optimizer = new LARS(net.parameters(), { learningRate: 0.3, weightDecay: 1e-6 });
 */
export class LARS extends Optimizer<LarsSettings> {
  constructor(
    parameters: Parameters | readonly ParameterGroup<LarsSettings>[],
    settings: Partial<LarsSettings> = {},
  ) {
    expectArguments('LARS', arguments.length, 2);
    super(parameters, optionsOf('LARS', settings, DEFAULTS), ['velocity']);
  }

  protected override update(updates: readonly ParameterUpdate[], settings: LarsSettings): void {
    const tensors = updates.map(({ parameter, gradient, moments }) => ({
      parameter,
      gradient,
      velocity: moments[0]!,
    }));
    const adapted = ({ parameter }: { parameter: Tensor }) => parameter.shape.length > 1;
    lars(tensors.filter(adapted), settings);
    const others = tensors.filter((tuple) => !adapted(tuple));
    lars(others, { ...settings, weightDecay: 0, adapt: false });
  }
}
