import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { expectNumber, expectTensor } from '../check.js';
import type { Tensor } from '../tensor.js';

export interface BatchNorm2dOptions {
  /** Use and update the statistics of the batch; else the running ones. Default false. */
  training?: boolean;
  /** Share of the new batch in the running statistics. Default 0.1. */
  momentum?: number;
  eps?: number;
  /** Fuse a ReLU behind. */
  relu?: boolean;
  /** Fuse the sum with a residual of x's shape, before the ReLU. */
  residual?: Tensor | undefined;
}

/**
 * Batch normalisation (Ioffe and Szegedy 2015) of x [N, C, H, W] over N, H and W, as PyTorch defines it: biased
 * variance to normalise, unbiased variance in the running estimate.
 * y = relu(weight * (x - mean) / sqrt(variance + eps) + bias + residual), ReLU and residual by option.
 *
 * @param runningMean [C], updated in place when training
 * @param runningVariance [C], updated in place when training
 */
export function batchNorm2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  runningMean: Tensor,
  runningVariance: Tensor,
  options: BatchNorm2dOptions = {},
): Tensor {
  const [n, c, h, w] = expectTensor('batchNorm2d', 'x', x, { shape: [null, null, null, null] }) as [
    number,
    number,
    number,
    number,
  ];
  const { device } = x;
  const channels = { weight, bias, runningMean, runningVariance };
  for (const [name, tensor] of Object.entries(channels)) {
    expectTensor('batchNorm2d', name, tensor, { shape: [c], device });
  }
  const { training = false, relu = false, residual, eps = 1e-5, momentum = 0.1 } = options ?? {};
  if (residual) expectTensor('batchNorm2d', 'residual', residual, { shape: x.shape, device });
  expectNumber('batchNorm2d', 'eps', eps, { above: 0 });
  expectNumber('batchNorm2d', 'momentum', momentum, { min: 0, max: 1 });
  if (training && n * h * w < 2) {
    throw new SpinegradError(
      'ERR_SHAPE',
      'batchNorm2d(): x: expected more than one value a channel when training, found a single one',
    );
  }
  const attributes = [eps, momentum, Number(relu)];
  const y = device.empty(x.shape);
  const mean = device.empty([c]);
  const inverseDeviation = device.empty([c]);
  device.run(
    training ? 'batchNorm2d.forward' : 'batchNorm2d.evaluate',
    [x, weight, bias, runningMean, runningVariance, residual],
    [y, mean, inverseDeviation, ...(training ? [runningMean, runningVariance] : [])],
    attributes,
  );
  const inputs = residual ? [x, weight, bias, residual] : [x, weight, bias];
  return record(
    y,
    inputs,
    [mean, inverseDeviation],
    (gradient, [needsX, needsWeight, needsBias, needsResidual]) => {
      const dx = device.empty(x.shape);
      const dw = device.empty([c]);
      const db = device.empty([c]);
      const dr = needsResidual ? device.empty(x.shape) : undefined;
      device.run(
        training ? 'batchNorm2d.backward' : 'batchNorm2d.evaluateBackward',
        [x, y, gradient, weight, mean, inverseDeviation, residual ? undefined : bias],
        [dx, dw, db, dr],
        attributes,
      );
      const wanted: [boolean | undefined, Tensor][] = [
        [needsX, dx],
        [needsWeight, dw],
        [needsBias, db],
      ];
      for (const [needed, tensor] of wanted) if (!needed) tensor.dispose();
      return [...wanted.map(([needed, tensor]) => (needed ? tensor : undefined)), dr];
    },
  );
}
