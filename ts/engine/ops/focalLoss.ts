import { expectArguments, found, optionsOf } from '../../arguments.js';
import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { expectNumber, expectOneOf } from '../check.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const REDUCTIONS = ['sum', 'mean', 'weightedMean'] as const;

const ATTRIBUTES = {
  gamma: 'real',
  labelSmoothing: 'real',
  ignoreIndex: 'integer',
  alpha: 'real[]',
} as const;
const forward = (form: string) =>
  contract(`focalLoss.${form}Forward`, {
    logits: 'input',
    targets: 'input',
    loss: 'output',
    divisor: 'output',
    ...ATTRIBUTES,
    reduction: REDUCTIONS,
  });
const backward = (form: string) =>
  contract(`focalLoss.${form}Backward`, {
    logits: 'input',
    targets: 'input',
    divisor: 'input',
    dy: 'input',
    dx: 'output',
    ...ATTRIBUTES,
  });
const FORWARD = { softmax: forward('softmax'), sigmoid: forward('sigmoid') };
const BACKWARD = { softmax: backward('softmax'), sigmoid: backward('sigmoid') };

export interface FocalLossOptions {
  /** One class out of C (softmax), or C independent binary targets (sigmoid). Default softmax. */
  form?: 'softmax' | 'sigmoid';
  /** >= 0, also below 1; 0 is cross entropy. Default 2. */
  gamma?: number;
  /**
   * One weight per class, >= 0; default ones. With the sigmoid form, alpha from 0 to 1 is the weight of the positive
   * answer and 1 - alpha that of the negative answer; without alpha, both are 1.
   */
  alpha?: readonly number[];
  /** Fraction of the target that is spread over all classes (sigmoid: both answers), from 0 to 1. Default 0. */
  labelSmoothing?: number;
  /** Targets with this value have no gradient and are not counted in the mean. Default -100, as in PyTorch. */
  ignoreIndex?: number;
  /** `mean` divides by the number of targets, `weightedMean` by the sum of their alpha. Default mean. */
  reduction?: (typeof REDUCTIONS)[number];
}

/** The weights of the classes; empty if all are 1. */
function expectAlpha(alpha: readonly number[] | undefined, classes: number, sigmoid: boolean): number[] {
  if (alpha === undefined) return [];
  const weights = Array.isArray(alpha) ? [...alpha] : [];
  if (weights.length !== classes) {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `focalLoss(): alpha: expected an array of ${classes} numbers, one per class, found ${found(alpha)}`,
    );
  }
  const range = sigmoid ? { min: 0, max: 1 } : { min: 0 };
  return weights.map((weight, index) => expectNumber('focalLoss', `alpha[${index}]`, weight, range));
}

const DEFAULTS = {
  form: 'softmax',
  gamma: 2,
  alpha: undefined,
  labelSmoothing: 0,
  ignoreIndex: -100,
  reduction: 'mean',
};

/**
 * Focal loss (Lin et al., "Focal Loss for Dense Object Detection", 2017) of logits [N, C]: a scalar [1].
 *
 * - softmax: targets int32 [N]. A row's loss is sum over c of q_c alpha_c (1 - p_c)^gamma (-log p_c), p = softmax(logits), q the
 *   target smoothed as by Szegedy et al. 2016: q_c = (1 - s) [c = target] + s / C. With gamma 0 it is PyTorch's
 *   cross_entropy with weight and label_smoothing (`weightedMean` is its mean).
 * - sigmoid: targets float32 [N, C], each from 0 to 1, smoothed to y = (1 - s) target + s / 2. An element's loss is
 *   y alpha_c (1 - p)^gamma (-log p) + (1 - y) (1 - alpha_c) p^gamma (-log(1 - p)), p = sigmoid(logit); for targets 0
 *   and 1 it is torchvision's sigmoid_focal_loss.
 *
 * Computed in log space: value and gradient are finite for all finite logits, also for gamma below 1 at p = 1. NaN in a
 * row that is not ignored makes the loss NaN. If a target is neither valid nor ignoreIndex, the next read rejects with
 * `ERR_TARGET`. If no target counts, because all are ignored or the weights of a weighted mean are all 0, the loss and
 * its gradient are 0; PyTorch returns NaN.
 *
 * @example
 * const logits = device.full([2, 3], 0);
 * const loss = focalLoss(logits, device.tensor(Int32Array.of(0, 2)), { gamma: 2, alpha: [0.5, 1, 2] });
 */
export function focalLoss(logits: Tensor, targets: Tensor, options: FocalLossOptions = {}): Tensor {
  expectArguments('focalLoss', arguments.length, 3);
  const given = optionsOf('focalLoss', options, DEFAULTS);
  const { form, gamma, alpha, labelSmoothing, ignoreIndex, reduction } = given;
  const [n, c] = expectTensor('focalLoss', 'logits', logits, { shape: [null, null] }) as [number, number];
  const { device } = logits;
  expectOneOf('focalLoss', 'form', form, ['softmax', 'sigmoid']);
  const sigmoid = form === 'sigmoid';
  expectTensor('focalLoss', 'targets', targets, {
    dtype: sigmoid ? 'float32' : 'int32',
    shape: sigmoid ? [n, c] : [n],
    device,
  });
  const weights = expectAlpha(alpha, c, sigmoid);
  expectNumber('focalLoss', 'gamma', gamma, { min: 0 });
  expectNumber('focalLoss', 'labelSmoothing', labelSmoothing, { min: 0, max: 1 });
  expectNumber('focalLoss', 'ignoreIndex', ignoreIndex, { min: -(2 ** 24), max: 2 ** 24, integer: true });
  expectOneOf('focalLoss', 'reduction', reduction, REDUCTIONS);
  const loss = device.empty([1]);
  const divisor = device.empty([1]);
  device.run(FORWARD[form], {
    logits,
    targets,
    loss,
    divisor,
    gamma,
    labelSmoothing,
    ignoreIndex,
    alpha: weights,
    reduction,
  });
  return record(loss, [logits], [divisor], (dy) => {
    const dx = device.empty(logits.shape);
    device.run(BACKWARD[form], {
      logits,
      targets,
      divisor,
      dy,
      dx,
      gamma,
      labelSmoothing,
      ignoreIndex,
      alpha: weights,
    });
    return [dx];
  });
}
