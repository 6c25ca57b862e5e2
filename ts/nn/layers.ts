/** Layers with parameters: Conv2d, BatchNorm2d and Linear of torch.nn. */
import { expectArguments, found, optionsOf } from '../arguments.js';
import { expectNumber } from '../engine/check.js';
import { Device } from '../engine/device.js';
import { batchNorm2d } from '../engine/ops/batchNorm2d.js';
import { conv2d } from '../engine/ops/conv2d.js';
import { linear } from '../engine/ops/linear.js';
import { sizeOf, type Tensor } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';
import type { RandomStream } from '../random.js';
import { Module } from './module.js';

/** Device of a new module and random stream of its initial weights. */
export interface Build {
  device: Device;
  random: RandomStream;
}

const BUILD = { device: undefined, random: undefined };

/** Checks the first argument of a constructor of a module. */
export function expectBuild(name: string, build: Build): void {
  const { device, random } = optionsOf(name, build, BUILD);
  expectDevice(name, device);
  if (typeof random?.normal !== 'function' || typeof random.uniform !== 'function') {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `${name}(): build.random: expected a RandomStream, found ${found(random)}; pass { device, random: new RandomStream(seed) }`,
    );
  }
}

/** Checks the device of a new module. */
export function expectDevice(name: string, device: Device): void {
  if (device instanceof Device) return;
  throw new SpinegradError(
    'ERR_ARGUMENT',
    `${name}(): build.device: expected a device of openDevice(), found ${found(device)}; pass { device, random }`,
  );
}

const SIZE = { min: 1, max: 65536, integer: true };

/** Residual to add, then ReLU, in the same pass as the layer. */
export interface Fused {
  residual?: Tensor;
  relu?: boolean;
}

const randomTensor = ({ device }: Build, shape: readonly number[], next: () => number): Tensor =>
  device.tensor(new Float32Array(sizeOf(shape)).map(next), shape);

interface Conv2dLayerOptions {
  stride?: number;
  padding?: number;
  bias?: boolean;
  /** Standard deviation of the initial weights. */
  deviation?: number;
}

const CONV = { stride: 1, padding: 0, bias: false, deviation: undefined };
const CONV_FORWARD = { residual: undefined, relu: undefined, forBatchNorm: undefined };
const NORM_FORWARD = { residual: undefined, relu: undefined };

/** 2D convolution. Initial weights: Kaiming normal, fan out, for ReLU (He et al. 2015), as in torchvision's ResNet. */
export class Conv2d extends Module {
  readonly weight: Tensor;
  bias: Tensor | undefined;
  readonly kernel: number;
  readonly options: { stride: number; padding: number };

  constructor(
    build: Build,
    inputs: number,
    outputs: number,
    kernel: number,
    options: Conv2dLayerOptions = {},
  ) {
    expectArguments('Conv2d', arguments.length, 5);
    const { stride, padding, bias, deviation } = optionsOf('Conv2d', options, CONV);
    expectBuild('Conv2d', build);
    for (const [name, value] of Object.entries({ inputs, outputs, kernel, stride })) {
      expectNumber('Conv2d', name, value, SIZE);
    }
    expectNumber('Conv2d', 'padding', padding, { ...SIZE, min: 0 });
    const spread = deviation ?? Math.sqrt(2 / (outputs * kernel * kernel));
    expectNumber('Conv2d', 'deviation', spread, { min: 0 });
    super();
    this.kernel = kernel;
    this.options = { stride, padding };
    this.weight = this.parameter(
      'weight',
      randomTensor(build, [outputs, inputs, kernel, kernel], () => build.random.normal(0, spread)),
    );
    if (bias) this.bias = this.parameter('bias', build.device.zeros([outputs]));
  }

  /**
   * [N, C, H, W] -> [N, K, P, Q]
   *
   * @param forBatchNorm whether a batch norm in training mode follows, which then reuses statistics computed here
   */
  forward(x: Tensor, fused?: Fused & { forBatchNorm?: boolean }): Tensor {
    expectArguments('Conv2d.forward', arguments.length, 2);
    const { residual, relu, forBatchNorm } = optionsOf('Conv2d.forward', fused, CONV_FORWARD);
    const { weight, bias } = this;
    const { stride, padding } = this.options;
    return conv2d(x, weight, { bias, stride, padding, residual, relu, forBatchNorm });
  }

  /** Changes weight and bias so that filter k gives y * scale[k] + shift[k] instead of y. */
  async foldScaleShift(scale: Float32Array, shift: Float32Array): Promise<void> {
    const { device } = this.weight;
    const filters = await this.weight.data();
    const size = filters.length / scale.length;
    this.weight.write(filters.map((value, index) => value * scale[Math.floor(index / size)]!));
    const bias = await this.bias?.data();
    const shifted = shift.map((value, k) => value + (bias?.[k] ?? 0) * scale[k]!);
    if (this.bias) this.bias.write(shifted);
    else this.bias = this.parameter('bias', device.tensor(shifted));
  }
}

const EPS = 1e-5;

/** Batch norm with running statistics (Ioffe and Szegedy 2015). Initial weight `scale`, bias 0, mean 0, variance 1. */
export class BatchNorm2d extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly runningMean: Tensor;
  readonly runningVariance: Tensor;
  /** Weight of a new batch in the running statistics. */
  momentum = 0.1;

  readonly #conv: Conv2d | undefined;
  #folded = false;

  /**
   * @param conv the convolution that feeds only this norm
   * @param scale initial weight: 1, or 0 to start a residual block as the identity
   */
  constructor(build: Build, channels: number, conv?: Conv2d, scale = 1) {
    expectArguments('BatchNorm2d', arguments.length, 4);
    expectBuild('BatchNorm2d', build);
    expectNumber('BatchNorm2d', 'channels', channels, SIZE);
    expectNumber('BatchNorm2d', 'scale', scale);
    if (conv !== undefined && !(conv instanceof Conv2d)) {
      throw new SpinegradError(
        'ERR_ARGUMENT',
        `BatchNorm2d(): conv: expected a Conv2d, found ${found(conv)}`,
      );
    }
    super();
    this.#conv = conv;
    const { device } = build;
    this.weight = this.parameter('weight', device.full([channels], scale));
    this.bias = this.parameter('bias', device.zeros([channels]));
    this.runningMean = this.buffer('running_mean', device.zeros([channels]));
    this.runningVariance = this.buffer('running_var', device.full([channels], 1));
  }

  /**
   * Whether this norm is folded into its convolution.
   *
   * @throws SpinegradError ERR_FOLDED in training mode, because the statistics no longer exist
   */
  get folded(): boolean {
    if (this.#folded && this.training) {
      throw new SpinegradError(
        'ERR_FOLDED',
        'BatchNorm2d: a folded batch norm cannot be trained; load the network again to train it',
      );
    }
    return this.#folded;
  }

  /** [N, C, H, W] -> [N, C, H, W]. Adds `residual` and applies ReLU in the same pass. */
  forward(x: Tensor, fused?: Fused): Tensor {
    expectArguments('BatchNorm2d.forward', arguments.length, 2);
    const { residual, relu } = optionsOf('BatchNorm2d.forward', fused, NORM_FORWARD);
    const { weight, bias, runningMean, runningVariance, training, momentum } = this;
    return batchNorm2d(x, weight, bias, runningMean, runningVariance, {
      training,
      momentum,
      eps: EPS,
      residual,
      relu,
    });
  }

  /** Folds the affine map of the running statistics into the convolution, and frees this norm's tensors. */
  async fold(): Promise<void> {
    if (this.#folded || !this.#conv) return;
    const tensors = [this.weight, this.bias, this.runningMean, this.runningVariance];
    const [weight, bias, mean, variance] = (await Promise.all(tensors.map((tensor) => tensor.data()))) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const scale = weight.map((value, k) => value / Math.sqrt(variance[k]! + EPS));
    await this.#conv.foldScaleShift(
      scale,
      bias.map((value, k) => value - mean[k]! * scale[k]!),
    );
    this.#folded = true;
    this.release();
  }
}

/**
 * Convolution and batch norm with optional residual and ReLU, fused where possible: after folding, the convolution does
 * everything in one pass.
 */
export function convNorm(x: Tensor, conv: Conv2d, norm: BatchNorm2d, fused: Fused = {}): Tensor {
  if (norm.folded) return conv.forward(x, fused);
  return norm.forward(conv.forward(x, { forBatchNorm: norm.training }), fused);
}

/** Fully connected layer. Initial weight and bias: uniform within 1 / sqrt(inputs), as torch.nn.Linear. */
export class Linear extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;

  constructor(build: Build, inputs: number, outputs: number) {
    expectArguments('Linear', arguments.length, 3);
    expectBuild('Linear', build);
    expectNumber('Linear', 'inputs', inputs, SIZE);
    expectNumber('Linear', 'outputs', outputs, SIZE);
    super();
    const bound = 1 / Math.sqrt(inputs);
    const draw = () => build.random.uniform(-bound, bound);
    this.weight = this.parameter('weight', randomTensor(build, [outputs, inputs], draw));
    this.bias = this.parameter('bias', randomTensor(build, [outputs], draw));
  }

  /** [N, C] -> [N, K] */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}
