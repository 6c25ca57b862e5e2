import { expectArguments, optionsOf } from '../arguments.js';
import { adamW } from '../engine/ops/adamW.js';
import type { ParameterGroup, Parameters } from '../engine/ops/multitensor.js';
import type { Tensor } from '../engine/tensor.js';
import { Optimizer, type ParameterUpdate } from './optimizer.js';

export interface AdamWSettings {
  learningRate: number;
  /** Decay rate of the moving average of the gradient. Default 0.9. */
  beta1: number;
  /** Decay rate of the moving average of the squared gradient. Default 0.999. */
  beta2: number;
  /** Default 1e-8. */
  eps: number;
  /** Decoupled weight decay. Default 0.01. */
  weightDecay: number;
}

const DEFAULTS: AdamWSettings = {
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0.01,
};

/** AdamW (Loshchilov and Hutter, ICLR 2019) with the formula and defaults of PyTorch. */
export class AdamW extends Optimizer<AdamWSettings> {
  constructor(
    parameters: Parameters | readonly ParameterGroup<AdamWSettings>[],
    settings: Partial<AdamWSettings> = {},
  ) {
    expectArguments('AdamW', arguments.length, 2);
    super(parameters, optionsOf('AdamW', settings, DEFAULTS), ['firstMoment', 'secondMoment']);
  }

  protected override update(
    updates: readonly ParameterUpdate[],
    settings: AdamWSettings,
    step: number,
  ): void {
    const tensors = updates.map(({ parameter, gradient, moments }) => {
      const [firstMoment, secondMoment] = moments as [Tensor, Tensor];
      return { parameter, gradient, firstMoment, secondMoment };
    });
    adamW(tensors, { ...settings, step });
  }
}
