/** The layers with parameters: what torch.nn calls Conv2d, BatchNorm2d and Linear, with its initialisation. */
import type { Device } from '../engine/device.js';
import { batchNorm2d } from '../engine/ops/batchNorm2d.js';
import { conv2d } from '../engine/ops/conv2d.js';
import { linear } from '../engine/ops/linear.js';
import type { Tensor } from '../engine/tensor.js';
import type { RandomStream } from '../random.js';
import { Module } from './module.js';

/** Where a module is made and what draws its first weights. */
export interface Build {
  device: Device;
  random: RandomStream;
}

function normal({ device, random }: Build, shape: readonly number[], deviation: number): Tensor {
  const size = shape.reduce((product, axis) => product * axis, 1);
  return device.tensor(
    Float32Array.from({ length: size }, () => random.normal(0, deviation)),
    shape,
  );
}

function uniform({ device, random }: Build, shape: readonly number[], bound: number): Tensor {
  const size = shape.reduce((product, axis) => product * axis, 1);
  return device.tensor(
    Float32Array.from({ length: size }, () => random.uniform(-bound, bound)),
    shape,
  );
}

/** Weights by Kaiming's normal rule for ReLU, fan out (He et al. 2015), as torchvision's ResNet. */
export class Conv2d extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;

  constructor(
    build: Build,
    inputs: number,
    outputs: number,
    readonly kernel: number,
    readonly options: { stride?: number; padding?: number; bias?: boolean } = {},
  ) {
    super();
    const deviation = Math.sqrt(2 / (outputs * kernel * kernel));
    this.weight = this.parameter('weight', normal(build, [outputs, inputs, kernel, kernel], deviation));
    if (options.bias) this.bias = this.parameter('bias', build.device.zeros([outputs]));
  }

  /** [N, C, H, W] -> [N, K, P, Q] */
  forward(x: Tensor): Tensor {
    const { stride = 1, padding = 0 } = this.options;
    return conv2d(x, this.weight, { bias: this.bias, stride, padding });
  }
}

export class BatchNorm2d extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly runningMean: Tensor;
  readonly runningVariance: Tensor;

  /** @param scale first value of the weight: 1, or 0 to start a residual branch as the identity */
  constructor({ device }: Build, channels: number, scale = 1) {
    super();
    this.weight = this.parameter('weight', device.full([channels], scale));
    this.bias = this.parameter('bias', device.zeros([channels]));
    this.runningMean = this.buffer('running_mean', device.zeros([channels]));
    this.runningVariance = this.buffer('running_var', device.full([channels], 1));
  }

  /** Normalises x, adds `residual` and applies ReLU where asked, in one pass. */
  forward(x: Tensor, fused: { relu?: boolean; residual?: Tensor } = {}): Tensor {
    const { weight, bias, runningMean, runningVariance, training } = this;
    return batchNorm2d(x, weight, bias, runningMean, runningVariance, { training, ...fused });
  }
}

/** Weights uniform within 1 / sqrt(inputs), as torch.nn.Linear. */
export class Linear extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;

  constructor(build: Build, inputs: number, outputs: number) {
    super();
    const bound = 1 / Math.sqrt(inputs);
    this.weight = this.parameter('weight', uniform(build, [outputs, inputs], bound));
    this.bias = this.parameter('bias', uniform(build, [outputs], bound));
  }

  /** [N, C] -> [N, K] */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}
