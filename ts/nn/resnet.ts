/**
 * ResNet encoder (He et al., "Deep residual learning for image recognition", 2016): torchvision's network and names
 * without `fc`. Each batch norm is fused with the residual and ReLU that follow, so a basic block runs four operations
 * (conv, BN + ReLU, conv, BN + residual + ReLU), or two if the norms are folded (conv + ReLU, conv + residual + ReLU).
 */
import { expectArguments, found, optionsOf } from '../arguments.js';
import { expectNumber } from '../engine/check.js';
import { globalAvgPool2d } from '../engine/ops/globalAvgPool2d.js';
import { maxPool2d } from '../engine/ops/maxPool2d.js';
import type { Tensor } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';
import { BatchNorm2d, type Build, Conv2d, convNorm, expectBuild } from './layers.js';
import { Module } from './module.js';

export type Depth = 18 | 34 | 50;

export interface ResNetOptions {
  depth: Depth;
  /** Channels of the image. Default 1. */
  inputChannels?: number;
  /** Channels of the first stage. Default 64, as in the paper. */
  width?: number;
  /** Initialise the last scale of each residual block to 0, so that the block is the identity (Goyal et al. 2017). */
  zeroInitResidual?: boolean;
  /** Stride of the first block of each stage; the length is the number of stages, 1 to 4. Default [1, 2, 2, 2]. */
  strides?: readonly number[];
}

const BLOCKS: Record<Depth, readonly number[]> = { 18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3] };

/** 1x1 projection of the shortcut if the shape changes. Its layers are named 0 and 1, as in torchvision. */
class Downsample extends Module {
  readonly #conv: Conv2d;
  readonly #norm: BatchNorm2d;

  constructor(build: Build, inputs: number, outputs: number, stride: number) {
    super();
    this.#conv = this.child('0', new Conv2d(build, inputs, outputs, 1, { stride }));
    this.#norm = this.child('1', new BatchNorm2d(build, outputs, this.#conv));
  }

  forward(x: Tensor): Tensor {
    return convNorm(x, this.#conv, this.#norm);
  }
}

interface ConvNorm {
  conv: Conv2d;
  norm: BatchNorm2d;
}

/** Residual block: two 3x3 convolutions (basic) or 1x1, 3x3, 1x1 (bottleneck), with a shortcut. */
class Block extends Module {
  readonly #layers: ConvNorm[];
  readonly #downsample: Downsample | undefined;

  constructor(build: Build, inputs: number, width: number, stride: number, depth: Depth, zeroInit: boolean) {
    super();
    const outputs = depth === 50 ? width * 4 : width;
    const specs =
      depth === 50
        ? [
            { from: inputs, to: width, kernel: 1, stride: 1 },
            { from: width, to: width, kernel: 3, stride },
            { from: width, to: outputs, kernel: 1, stride: 1 },
          ]
        : [
            { from: inputs, to: width, kernel: 3, stride },
            { from: width, to: width, kernel: 3, stride: 1 },
          ];
    this.#layers = specs.map(({ from, to, kernel, stride: step }, index) => {
      const last = index === specs.length - 1;
      const padding = (kernel - 1) / 2;
      const name = index + 1;
      const conv = this.child(`conv${name}`, new Conv2d(build, from, to, kernel, { stride: step, padding }));
      const norm = this.child(`bn${name}`, new BatchNorm2d(build, to, conv, last && zeroInit ? 0 : 1));
      return { conv, norm };
    });
    if (stride !== 1 || inputs !== outputs) {
      this.#downsample = this.child('downsample', new Downsample(build, inputs, outputs, stride));
    }
  }

  forward(x: Tensor): Tensor {
    const residual = this.#downsample?.forward(x) ?? x;
    return this.#layers.reduce((y, { conv, norm }, index) => {
      const last = index === this.#layers.length - 1;
      return convNorm(y, conv, norm, last ? { residual, relu: true } : { relu: true });
    }, x);
  }
}

class Stage extends Module {
  readonly #blocks: Block[];

  constructor(
    build: Build,
    inputs: number,
    width: number,
    stride: number,
    count: number,
    { depth, zeroInitResidual }: Required<ResNetOptions>,
  ) {
    super();
    const outputs = depth === 50 ? width * 4 : width;
    this.#blocks = Array.from({ length: count }, (_, index) => {
      const from = index === 0 ? inputs : outputs;
      return this.child(
        `${index}`,
        new Block(build, from, width, index === 0 ? stride : 1, depth, zeroInitResidual),
      );
    });
  }

  forward(x: Tensor): Tensor {
    return this.#blocks.reduce((y, block) => block.forward(y), x);
  }
}

const DEFAULTS = { inputChannels: 1, width: 64, zeroInitResidual: false, strides: [1, 2, 2, 2] };
const DEFAULTS_WITH_DEPTH = { depth: undefined, ...DEFAULTS };

function expectOptions({ depth, inputChannels, width, strides }: Required<ResNetOptions>): void {
  const fail = (argument: string, expected: string, value: unknown) => {
    throw new SpinegradError(
      'ERR_ARGUMENT',
      `ResNet(): ${argument}: expected ${expected}, found ${found(value)}`,
    );
  };
  if (typeof depth !== 'number' || !Object.hasOwn(BLOCKS, depth)) fail('depth', '18, 34 or 50', depth);
  if (!Array.isArray(strides)) fail('strides', 'an array of integers', strides);
  const positive = { min: 1, integer: true };
  expectNumber('ResNet', 'inputChannels', inputChannels, positive);
  expectNumber('ResNet', 'width', width, positive);
  expectNumber('ResNet', 'strides.length', strides.length, { ...positive, max: BLOCKS[depth].length });
  for (const stride of strides) expectNumber('ResNet', 'strides', stride, positive);
}

/** Encoder from images [N, C, H, W] to embeddings [N, features]. Invalid options throw `ERR_ARGUMENT`. */
export class ResNet extends Module {
  /** Channels of the last stage: the length of an embedding. */
  readonly features: number;
  /** Pixels of the input per cell of the feature map, in each dimension. */
  readonly stride: number;
  /** The options that determine names and shapes of the state. */
  readonly architecture: Required<Omit<ResNetOptions, 'zeroInitResidual'>>;
  readonly #conv1: Conv2d;
  readonly #bn1: BatchNorm2d;
  readonly #stages: Stage[];

  constructor(build: Build, options: ResNetOptions) {
    expectArguments('ResNet', arguments.length, 2);
    const checked: Required<ResNetOptions> = optionsOf('ResNet', options, DEFAULTS_WITH_DEPTH);
    expectBuild('ResNet', build);
    expectOptions(checked);
    super();
    const { depth, inputChannels, width, strides } = checked;
    this.architecture = { depth, inputChannels, width, strides };
    this.#conv1 = this.child('conv1', new Conv2d(build, inputChannels, width, 7, { stride: 2, padding: 3 }));
    this.#bn1 = this.child('bn1', new BatchNorm2d(build, width, this.#conv1));
    let channels = width;
    this.#stages = strides.map((stride, index) => {
      const stage = new Stage(build, channels, width * 2 ** index, stride, BLOCKS[depth][index]!, checked);
      channels = width * 2 ** index * (depth === 50 ? 4 : 1);
      return this.child(`layer${index + 1}`, stage);
    });
    this.features = channels;
    this.stride = strides.reduce((product, stride) => product * stride, 4);
  }

  /**
   * [N, C, H, W] -> feature map of the last stage [N, features, H / stride, W / stride], or of an earlier one
   *
   * @param stages number of stages to apply; default all
   */
  featureMap(x: Tensor, stages = this.#stages.length): Tensor {
    return this.#stages.slice(0, stages).reduce((y, stage) => stage.forward(y), this.#stem(x));
  }

  /** [N, C, H, W] -> for each of the first `stages` stages the mean of each channel of its feature map [N, channels] */
  stageMeans(x: Tensor, stages: number): Tensor[] {
    let map = this.#stem(x);
    return this.#stages.slice(0, stages).map((stage) => {
      map = stage.forward(map);
      return globalAvgPool2d(map);
    });
  }

  #stem(x: Tensor): Tensor {
    return maxPool2d(convNorm(x, this.#conv1, this.#bn1, { relu: true }), 3, { stride: 2, padding: 1 });
  }

  /** The embeddings [N, features] that follow from `featureMap(x, stages)`. */
  embeddingOf(map: Tensor, stages = this.#stages.length): Tensor {
    return globalAvgPool2d(this.#stages.slice(stages).reduce((y, stage) => stage.forward(y), map));
  }

  /** [N, C, H, W] -> embeddings [N, features] */
  forward(x: Tensor): Tensor {
    return this.embeddingOf(this.featureMap(x));
  }
}

type FixedDepth = Omit<ResNetOptions, 'depth'>;

/** ResNet-18; see `ResNet`. */
export function resnet18(build: Build, options: FixedDepth = {}): ResNet {
  expectArguments('resnet18', arguments.length, 2);
  return new ResNet(build, { ...optionsOf('resnet18', options, DEFAULTS), depth: 18 });
}

/** ResNet-34; see `ResNet`. */
export function resnet34(build: Build, options: FixedDepth = {}): ResNet {
  expectArguments('resnet34', arguments.length, 2);
  return new ResNet(build, { ...optionsOf('resnet34', options, DEFAULTS), depth: 34 });
}

/** ResNet-50; see `ResNet`. */
export function resnet50(build: Build, options: FixedDepth = {}): ResNet {
  expectArguments('resnet50', arguments.length, 2);
  return new ResNet(build, { ...optionsOf('resnet50', options, DEFAULTS), depth: 50 });
}

/** Returns the stage of a parameter of a ResNet: 0 for the stem, 1 to 4 for `layer1` to `layer4`. */
export function stageOf(name: string): number {
  const stage = /^layer(\d)\./.exec(name)?.[1];
  return stage ? Number(stage) : 0;
}
