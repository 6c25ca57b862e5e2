import { expectArguments, optionsOf } from '../../arguments.js';
import { expectNumber } from '../check.js';
import { contract } from '../contract.js';
import type { Tensor } from '../tensor.js';
import { expectTuples } from './multitensor.js';

const STEP = contract('adamW.step', {
  parameter: 'update[]',
  gradient: 'input[]',
  firstMoment: 'update[]',
  secondMoment: 'update[]',
  learningRate: 'real',
  beta1: 'real',
  beta2: 'real',
  eps: 'real',
  weightDecay: 'real',
  step: 'integer',
});

export interface AdamWTensors {
  parameter: Tensor;
  gradient: Tensor;
  /** Moving averages of the gradient and of its square; zeros before the first step. */
  firstMoment: Tensor;
  secondMoment: Tensor;
}

export interface AdamWStepOptions {
  learningRate: number;
  /** Default 0.9. */
  beta1?: number;
  /** Default 0.999. */
  beta2?: number;
  /** Default 1e-8. */
  eps?: number;
  /** Decoupled: a step multiplies the parameter by 1 - learningRate * weightDecay. Default 0.01. */
  weightDecay?: number;
  /** Number of this step, from 1: corrects the bias of the moments. */
  step: number;
}

const NAMES = ['parameter', 'gradient', 'firstMoment', 'secondMoment'] as const;

const DEFAULTS = {
  learningRate: undefined,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0.01,
  step: undefined,
};

/** One step of AdamW (Loshchilov and Hutter 2019) for many parameters at once, in place, as PyTorch computes it. */
export function adamW(tensors: readonly AdamWTensors[], options: AdamWStepOptions): void {
  expectArguments('adamW', arguments.length, 2);
  const { learningRate, beta1, beta2, eps, weightDecay, step } = optionsOf('adamW', options, DEFAULTS);
  expectNumber('adamW', 'learningRate', learningRate, { min: 0 });
  expectNumber('adamW', 'beta1', beta1, { min: 0, below: 1 });
  expectNumber('adamW', 'beta2', beta2, { min: 0, below: 1 });
  expectNumber('adamW', 'eps', eps, { min: 0 });
  expectNumber('adamW', 'weightDecay', weightDecay, { min: 0 });
  expectNumber('adamW', 'step', step, { min: 1, integer: true });
  const lists = expectTuples('adamW', tensors, NAMES);
  if (!lists) return;
  const { parameter, gradient, firstMoment, secondMoment } = lists.tensors;
  lists.device.run(STEP, {
    parameter,
    gradient,
    firstMoment,
    secondMoment,
    learningRate,
    beta1,
    beta2,
    eps,
    weightDecay,
    step,
  });
}
