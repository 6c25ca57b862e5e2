/**
 * U-Net (Ronneberger, Fischer and Brox, "U-Net: convolutional networks for biomedical image segmentation", 2015) for
 * dense prediction: heatmaps or masks in the resolution of the image.
 *
 * Differences from the paper: padded convolutions, so that maps keep their size; batch norm after each 3x3 convolution;
 * and a 1x1 convolution with nearest upsampling instead of a transposed convolution. The 1x1 convolution comes first,
 * because it is four times cheaper before the upsampling.
 */
import { expectArguments, optionsOf } from '../arguments.js';
import { expectNumber } from '../engine/check.js';
import { concat } from '../engine/ops/concat.js';
import { maxPool2d } from '../engine/ops/maxPool2d.js';
import { upsample2d } from '../engine/ops/upsample2d.js';
import { expectTensor, type Tensor } from '../engine/tensor.js';
import { SpinegradError } from '../error.js';
import { BatchNorm2d, type Build, Conv2d, convNorm, expectBuild } from './layers.js';
import { Module } from './module.js';

export interface UNetOptions {
  /** Channels of the result, for instance one heatmap per class. */
  outputs: number;
  /** Channels of the image. Default 1. */
  inputChannels?: number;
  /** Channels at full resolution, doubled at each level. Default 16; multiples of 16 are fastest. */
  width?: number;
  /** Number of resolutions, 2 to 6; each has half the side of the one before. Default 4. */
  levels?: number;
  /** Pixels of the image per pixel of the result, in each dimension: 1 or 2. Default 1. */
  outputStride?: 1 | 2;
}

const DEFAULTS = { outputs: undefined, inputChannels: 1, width: 16, levels: 4, outputStride: 1 };

/** Deviation of the initial weights of the last layer: the first logits are near 0 (Lin et al. 2017, section 4.1). */
const HEAD_DEVIATION = 0.01;

/** Two 3x3 convolutions, each with batch norm and ReLU. */
class DoubleConv extends Module {
  readonly #layers: readonly (readonly [Conv2d, BatchNorm2d])[];

  constructor(build: Build, inputs: number, outputs: number) {
    super();
    this.#layers = [inputs, outputs].map((from, index) => {
      const conv = this.child(`conv${index + 1}`, new Conv2d(build, from, outputs, 3, { padding: 1 }));
      return [conv, this.child(`bn${index + 1}`, new BatchNorm2d(build, outputs, conv))] as const;
    });
  }

  forward(x: Tensor): Tensor {
    return this.#layers.reduce((y, [conv, norm]) => convNorm(y, conv, norm, { relu: true }), x);
  }
}

/** Doubles the side of the coarse map, joins the map of the encoder, and convolves both. */
class Up extends Module {
  readonly #reduce: Conv2d;
  readonly #convolve: DoubleConv;

  constructor(build: Build, channels: number) {
    super();
    this.#reduce = this.child('reduce', new Conv2d(build, 2 * channels, channels, 1));
    this.#convolve = this.child('convolve', new DoubleConv(build, 2 * channels, channels));
  }

  forward(coarse: Tensor, skip: Tensor): Tensor {
    return this.#convolve.forward(concat([skip, upsample2d(this.#reduce.forward(coarse))], 1));
  }
}

/**
 * U-Net from images [N, C, H, W] to logits [N, outputs, H / outputStride, W / outputStride]; see the top of this file.
 * H and W must be multiples of `stride`.
 *
 * The state is named `encoder.L.*` and `decoder.L.*` for level L (0 is full resolution), and `head.*`.
 */
export class UNet extends Module {
  /** Channels of the bottleneck, the coarsest map. */
  readonly features: number;
  /** Pixels of the image per pixel of the bottleneck, in each dimension. */
  readonly stride: number;
  /** The options that determine names and shapes of the state. */
  readonly architecture: Required<UNetOptions>;
  readonly #encoder: DoubleConv[];
  /** Coarsest level first. */
  readonly #decoder: { level: number; up: Up }[];
  readonly #head: Conv2d;

  /** @throws SpinegradError ERR_ARGUMENT if an option is out of range */
  constructor(build: Build, options: UNetOptions) {
    expectArguments('UNet', arguments.length, 2);
    const checked: Required<UNetOptions> = optionsOf('UNet', options, DEFAULTS);
    expectBuild('UNet', build);
    const { outputs, inputChannels, width, levels, outputStride } = checked;
    const positive = { min: 1, integer: true };
    expectNumber('UNet', 'outputs', outputs, positive);
    expectNumber('UNet', 'inputChannels', inputChannels, positive);
    expectNumber('UNet', 'width', width, positive);
    expectNumber('UNet', 'levels', levels, { min: 2, max: 6, integer: true });
    expectNumber('UNet', 'outputStride', outputStride, { min: 1, max: 2, integer: true });
    super();
    this.architecture = { outputs, inputChannels, width, levels, outputStride };
    this.features = width * 2 ** (levels - 1);
    this.stride = 2 ** (levels - 1);
    const channelsOf = (level: number) => width * 2 ** level;
    this.#encoder = Array.from({ length: levels }, (_, level) => {
      const inputs = level === 0 ? inputChannels : channelsOf(level - 1);
      return this.child(`encoder.${level}`, new DoubleConv(build, inputs, channelsOf(level)));
    });
    const finest = outputStride - 1; // level 0 or 1
    this.#decoder = [];
    for (let level = levels - 2; level >= finest; level--) {
      this.#decoder.push({ level, up: this.child(`decoder.${level}`, new Up(build, channelsOf(level))) });
    }
    const head = new Conv2d(build, channelsOf(finest), outputs, 1, { bias: true, deviation: HEAD_DEVIATION });
    this.#head = this.child('head', head);
  }

  /**
   * The maps of the encoder, one for each level: [N, width 2^L, H / 2^L, W / 2^L] for level L. The last one is the
   * bottleneck.
   *
   * @throws SpinegradError ERR_SHAPE if H or W is not a multiple of `stride`
   */
  encode(x: Tensor): Tensor[] {
    const { inputChannels } = this.architecture;
    const shape = expectTensor('UNet', 'x', x, { shape: [null, inputChannels, null, null] });
    if (shape.slice(2).some((side) => side % this.stride !== 0)) {
      throw new SpinegradError(
        'ERR_SHAPE',
        `UNet(): x: expected sides that are multiples of ${this.stride}, found shape [${shape}]; pad or resize the image`,
      );
    }
    const maps: Tensor[] = [];
    for (const block of this.#encoder) {
      const finer = maps.at(-1);
      maps.push(block.forward(finer ? maxPool2d(finer, 2) : x));
    }
    return maps;
  }

  /** The maps of `encode()` -> logits [N, outputs, H / outputStride, W / outputStride] */
  decode(maps: readonly Tensor[]): Tensor {
    return this.#head.forward(
      this.#decoder.reduce((y, { level, up }) => up.forward(y, maps[level]!), maps.at(-1)!),
    );
  }

  /** [N, C, H, W] -> logits [N, outputs, H / outputStride, W / outputStride] */
  forward(x: Tensor): Tensor {
    return this.decode(this.encode(x));
  }
}

/**
 * A new U-Net; see `UNet`.
 *
 * @example
 * const net = unet({ device, random: new RandomStream(1) }, { outputs: 1, width: 16 });
 * net.forward(device.zeros([2, 1, 128, 128])).shape; // [2, 1, 128, 128]
 */
export function unet(build: Build, options: UNetOptions): UNet {
  expectArguments('unet', arguments.length, 2);
  return new UNet(build, options);
}
