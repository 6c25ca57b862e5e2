/** The layers with parameters: what torch.nn calls Conv2d, BatchNorm2d and Linear, with its initialisation. */
import type { Device } from '../engine/device.js';
import { batchNorm2d } from '../engine/ops/batchNorm2d.js';
import { conv2d } from '../engine/ops/conv2d.js';
import { linear } from '../engine/ops/linear.js';
import { sizeOf, type Tensor } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';
import type { RandomStream } from '../random.js';
import { Module } from './module.js';

/** Where a module is made and what draws its first weights. */
export interface Build {
  device: Device;
  random: RandomStream;
}

const drawn = ({ device }: Build, shape: readonly number[], next: () => number): Tensor =>
  device.tensor(new Float32Array(sizeOf(shape)).map(next), shape);

/** Weights by Kaiming's normal rule for ReLU, fan out (He et al. 2015), as torchvision's ResNet. */
export class Conv2d extends Module {
  readonly weight: Tensor;
  bias: Tensor | undefined;

  constructor(
    build: Build,
    inputs: number,
    outputs: number,
    readonly kernel: number,
    readonly options: { stride?: number; padding?: number; bias?: boolean } = {},
  ) {
    super();
    const deviation = Math.sqrt(2 / (outputs * kernel * kernel));
    this.weight = this.parameter(
      'weight',
      drawn(build, [outputs, inputs, kernel, kernel], () => build.random.normal(0, deviation)),
    );
    if (options.bias) this.bias = this.parameter('bias', build.device.zeros([outputs]));
  }

  /** [N, C, H, W] -> [N, K, P, Q], with what is behind it in as few passes as there can be. */
  forward(x: Tensor, { norm, residual, relu }: Fused & { norm?: BatchNorm2d } = {}): Tensor {
    const { weight, bias } = this;
    const { stride = 1, padding = 0 } = this.options;
    if (!norm || norm.folded) return conv2d(x, weight, { bias, stride, padding, residual, relu });
    const y = conv2d(x, weight, { bias, stride, padding, forBatchNorm: norm.training });
    return norm.forward(y, { residual, relu });
  }

  /** From now on gives y * scale + shift, one of each a filter, where it gave y. */
  async absorb(scale: Float32Array, shift: Float32Array): Promise<void> {
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

/** A residual that is added, and a ReLU after it. */
export interface Fused {
  residual?: Tensor;
  relu?: boolean;
}

const EPS = 1e-5;

/** Batch norm of [N, C, H, W] with its running statistics (Ioffe and Szegedy 2015); weight 1 and bias 0 at first. */
export class BatchNorm2d extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly runningMean: Tensor;
  readonly runningVariance: Tensor;
  /** Share of a new batch in the running statistics. */
  momentum = 0.1;

  #folded = false;

  /**
   * @param behind the convolution whose result it alone takes
   * @param scale first value of the weight: 1, or 0 to start a residual branch as the identity
   */
  constructor(
    { device }: Build,
    channels: number,
    private readonly behind?: Conv2d,
    scale = 1,
  ) {
    super();
    this.weight = this.parameter('weight', device.full([channels], scale));
    this.bias = this.parameter('bias', device.zeros([channels]));
    this.runningMean = this.buffer('running_mean', device.zeros([channels]));
    this.runningVariance = this.buffer('running_var', device.full([channels], 1));
  }

  /**
   * Whether the convolution before does its work.
   *
   * @throws SpinegradError ERR_FOLDED when training: its statistics are gone
   */
  get folded(): boolean {
    if (this.#folded && this.training) {
      throw new SpinegradError(
        'ERR_FOLDED',
        'BatchNorm2d: its statistics are folded into the convolution before, which ends training; load the network again',
      );
    }
    return this.#folded;
  }

  /** Normalises x, adds `residual` and applies ReLU where asked, in one pass. */
  forward(x: Tensor, { residual, relu }: Fused = {}): Tensor {
    const { weight, bias, runningMean, runningVariance, training, momentum } = this;
    return batchNorm2d(x, weight, bias, runningMean, runningVariance, {
      training,
      momentum,
      eps: EPS,
      residual,
      relu,
    });
  }

  /** Moves the running statistics' affine map into the convolution before, where it costs nothing. */
  async fold(): Promise<void> {
    if (this.#folded || !this.behind) return;
    const tensors = [this.weight, this.bias, this.runningMean, this.runningVariance];
    const [weight, bias, mean, variance] = (await Promise.all(tensors.map((tensor) => tensor.data()))) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const scale = weight.map((value, k) => value / Math.sqrt(variance[k]! + EPS));
    await this.behind.absorb(
      scale,
      bias.map((value, k) => value - mean[k]! * scale[k]!),
    );
    this.#folded = true;
    this.release();
  }
}

/** Weights uniform within 1 / sqrt(inputs), as torch.nn.Linear. */
export class Linear extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor;

  constructor(build: Build, inputs: number, outputs: number) {
    super();
    const bound = 1 / Math.sqrt(inputs);
    const draw = () => build.random.uniform(-bound, bound);
    this.weight = this.parameter('weight', drawn(build, [outputs, inputs], draw));
    this.bias = this.parameter('bias', drawn(build, [outputs], draw));
  }

  /** [N, C] -> [N, K] */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}

/** Runs `body`, which trains below `module`, without a trace in the running statistics of its batch norms. */
export function withoutStatistics<T>(module: Module, body: () => T): T {
  const norms = [...module.modules()].filter((one) => one instanceof BatchNorm2d);
  const before = norms.map(({ momentum }) => momentum);
  for (const norm of norms) norm.momentum = 0;
  try {
    return body();
  } finally {
    norms.forEach((norm, index) => {
      norm.momentum = before[index]!;
    });
  }
}
