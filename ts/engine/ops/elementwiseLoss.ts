/** Code that mse, smoothL1 and bceWithLogits share: arguments, reduction and gradient. */
import { record } from '../autograd.js';
import { expectOneOf } from '../check.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const REDUCTIONS = ['mean', 'sum'] as const;

export interface ElementwiseLossOptions {
  /** `mean` divides by the sum of the weights. Default mean. */
  reduction?: (typeof REDUCTIONS)[number];
  /**
   * Weights in the shape of the prediction, >= 0; default ones. A negative weight rejects the next read with `ERR_WEIGHT`.
   * A pair of weight 0 is ignored, even if it is NaN. If all weights are 0, the loss and its gradient are 0.
   */
  weight?: Tensor | undefined;
}

/** @internal Default options of a loss. */
export const LOSS_DEFAULTS = { reduction: 'mean', weight: undefined };

/** @internal The contracts of a loss; `attributes` are its fields beyond those that all losses share. */
export const lossContracts = (name: string, attributes: Record<string, 'real'> = {}) => ({
  name,
  forward: contract(`${name}.forward`, {
    prediction: 'input',
    target: 'input',
    weight: 'input?',
    loss: 'output',
    divisor: 'output',
    reduction: REDUCTIONS,
    ...(attributes as object),
  }),
  backward: contract(`${name}.backward`, {
    prediction: 'input',
    target: 'input',
    weight: 'input?',
    divisor: 'input',
    dy: 'input',
    dx: 'output',
    ...(attributes as object),
  }),
});

/** @internal `beta` is passed on to a loss that has this field. */
export function elementwiseLoss(
  { name, forward, backward }: ReturnType<typeof lossContracts>,
  prediction: Tensor,
  target: Tensor,
  { reduction, weight }: Required<Pick<ElementwiseLossOptions, 'reduction'>> & ElementwiseLossOptions,
  beta?: number,
): Tensor {
  const shape = expectTensor(name, 'prediction', prediction);
  const { device } = prediction;
  expectTensor(name, 'target', target, { shape, device });
  if (weight) expectTensor(name, 'weight', weight, { shape, device });
  expectOneOf(name, 'reduction', reduction, REDUCTIONS);
  const loss = device.empty([1]);
  const divisor = device.empty([1]);
  const values = { prediction, target, weight, loss, divisor, reduction, beta };
  device.run(forward, values);
  return record(loss, [prediction], [divisor], (dy) => {
    const dx = device.empty(shape);
    const gradients = { prediction, target, weight, divisor, dy, dx, beta };
    device.run(backward, gradients);
    return [dx];
  });
}
