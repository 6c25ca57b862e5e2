import { expectArguments, optionsOf } from '../../arguments.js';
import { SpinegradError } from '../../error.js';
import { record } from '../autograd.js';
import { expectNumber } from '../check.js';
import { contract } from '../contract.js';
import { expectTensor, type Tensor } from '../tensor.js';

const GIVEN = {
  x: 'input',
  weight: 'input',
  bias: 'input',
  residual: 'input?',
  eps: 'real',
  relu: 'flag',
} as const;
const MADE = { y: 'output', mean: 'output', inverseDeviation: 'output' } as const;
const FORWARD = contract('batchNorm2d.forward', {
  ...GIVEN,
  ...MADE,
  runningMean: 'update',
  runningVariance: 'update',
  momentum: 'real',
});
const INFERENCE = contract('batchNorm2d.inference', {
  ...GIVEN,
  ...MADE,
  runningMean: 'input',
  runningVariance: 'input',
});
const GRADIENT = {
  x: 'input',
  y: 'input',
  dy: 'input',
  weight: 'input',
  bias: 'input?',
  mean: 'input',
  inverseDeviation: 'input',
  dx: 'output',
  dw: 'output',
  db: 'output',
  dr: 'output?',
  relu: 'flag',
} as const;
const BACKWARD = contract('batchNorm2d.backward', GRADIENT);
const INFERENCE_BACKWARD = contract('batchNorm2d.inferenceBackward', GRADIENT);

export interface BatchNorm2dOptions {
  /** Normalize with the statistics of the batch and update the running ones. Else use the running ones. Default false. */
  training?: boolean;
  /** Weight of the batch in the running statistics. Default 0.1. */
  momentum?: number;
  eps?: number;
  /** Apply a ReLU to the result, fused. Default false. */
  relu?: boolean;
  /** Added before the ReLU, fused; of the shape of x. */
  residual?: Tensor | undefined;
}

const DEFAULTS = { training: false, momentum: 0.1, eps: 1e-5, relu: false, residual: undefined };

/**
 * Batch normalization (Ioffe and Szegedy 2015) of x [N, C, H, W] over N, H and W, as PyTorch defines it: biased
 * variance to normalize, unbiased variance in the running estimate.
 * y = relu(weight * (x - mean) / sqrt(variance + eps) + bias + residual), ReLU and residual by option.
 *
 * @param runningMean [C], updated in place when training
 * @param runningVariance [C], updated in place when training
 *
 * @example
 * const y = batchNorm2d(x, weight, bias, runningMean, runningVariance, { training: true, relu: true });
 */
export function batchNorm2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  runningMean: Tensor,
  runningVariance: Tensor,
  options: BatchNorm2dOptions = {},
): Tensor {
  expectArguments('batchNorm2d', arguments.length, 6);
  const { training, relu, residual, eps, momentum } = optionsOf('batchNorm2d', options, DEFAULTS);
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
  if (residual) expectTensor('batchNorm2d', 'residual', residual, { shape: x.shape, device });
  expectNumber('batchNorm2d', 'eps', eps, { above: 0 });
  expectNumber('batchNorm2d', 'momentum', momentum, { min: 0, max: 1 });
  if (training && n * h * w < 2) {
    throw new SpinegradError(
      'ERR_SHAPE',
      'batchNorm2d(): x: expected more than one value a channel when training, found a single one',
    );
  }
  const y = device.empty(x.shape);
  const mean = device.empty([c]);
  const inverseDeviation = device.empty([c]);
  const values = {
    x,
    weight,
    bias,
    runningMean,
    runningVariance,
    residual,
    y,
    mean,
    inverseDeviation,
    eps,
    momentum,
    relu: Boolean(relu),
  };
  if (training) device.run(FORWARD, values);
  else device.run(INFERENCE, values);
  const inputs = residual ? [x, weight, bias, residual] : [x, weight, bias];
  return record(
    y,
    inputs,
    [mean, inverseDeviation],
    (dy, [needsX, needsWeight, needsBias, needsResidual]) => {
      const dx = device.empty(x.shape);
      const dw = device.empty([c]);
      const db = device.empty([c]);
      const dr = needsResidual ? device.empty(x.shape) : undefined;
      device.run(training ? BACKWARD : INFERENCE_BACKWARD, {
        x,
        y,
        dy,
        weight,
        bias: residual ? undefined : bias,
        mean,
        inverseDeviation,
        dx,
        dw,
        db,
        dr,
        relu: Boolean(relu),
      });
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
