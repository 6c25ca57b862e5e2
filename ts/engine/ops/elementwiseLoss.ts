/** What mse and smoothL1 share: their arguments, their mean, and how their gradient is recorded. */
import { record } from '../autograd.js';
import { expectOneOf, expectTensor } from '../check.js';
import type { Tensor } from '../tensor.js';

export interface ElementwiseLossOptions {
  /** `mean` divides by the sum of the weights. Default mean. */
  reduction?: 'mean' | 'sum';
  /**
   * Of the prediction's shape, >= 0 (else `ERR_WEIGHT` at the next read); default ones. Where it is 0, prediction and
   * target do not matter, not even NaN. When all are 0, the loss and its gradient are 0.
   */
  weight?: Tensor | undefined;
}

/** @internal */
export function elementwiseLoss(
  operation: string,
  prediction: Tensor,
  target: Tensor,
  options: ElementwiseLossOptions,
  parameter: number,
): Tensor {
  const { reduction = 'mean', weight } = options ?? {};
  const shape = expectTensor(operation, 'prediction', prediction);
  const { device } = prediction;
  expectTensor(operation, 'target', target, { shape, device });
  if (weight) expectTensor(operation, 'weight', weight, { shape, device });
  const mean = expectOneOf(operation, 'reduction', reduction, ['mean', 'sum']) === 'mean';
  const attributes = [Number(mean), parameter];
  const loss = device.empty([1]);
  const divisor = device.empty([1]);
  device.run(`${operation}.forward`, [prediction, target, weight], [loss, divisor], attributes);
  return record(loss, [prediction], [divisor], (gradient) => {
    const dp = device.empty(shape);
    device.run(`${operation}.backward`, [prediction, target, weight, divisor, gradient], [dp], attributes);
    return [dp];
  });
}
