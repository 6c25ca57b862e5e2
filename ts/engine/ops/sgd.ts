import { expectNumber } from '../check.js';
import type { Tensor } from '../tensor.js';
import { expectTuples } from './multitensor.js';

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
  /** Look ahead by one momentum step (Nesterov). Default false. */
  nesterov?: boolean;
  /** Shrink the parameter itself instead of adding weightDecay * parameter to the gradient. Default false. */
  decoupled?: boolean;
}

const NAMES = ['parameter', 'gradient', 'velocity'] as const;

/** One step of SGD with momentum for many parameters at once, in place, as PyTorch computes it (dampening 0). */
export function sgd(tensors: readonly SgdTensors[], options: SgdStepOptions): void {
  const { learningRate, momentum = 0, weightDecay = 0, nesterov = false, decoupled = false } = options ?? {};
  const attributes = [
    expectNumber('sgd', 'learningRate', learningRate, { min: 0 }),
    expectNumber('sgd', 'momentum', momentum, { min: 0, below: 1 }),
    expectNumber('sgd', 'weightDecay', weightDecay, { min: 0 }),
    Number(Boolean(nesterov)),
    Number(Boolean(decoupled)),
  ];
  const checked = expectTuples('sgd', tensors, NAMES);
  if (!checked) return;
  const written = tensors.flatMap((one) => [one.parameter, one.velocity]);
  checked.device.run('sgd.step', checked.tensors, written, attributes);
}
