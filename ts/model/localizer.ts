/**
 * The localizer: an encoder and a head that gives the centres of the five lumbar discs on a sagittal slice, and one
 * point more, in front of the middle one, which tells the front of the patient from the back. The head
 * is either one heatmap a disc, read by soft-argmax (integral regression, Sun et al., ECCV 2018), or the plain
 * regression of coordinates from the pooled embedding that the paper uses.
 */
import { LEVELS } from '../anatomy.js';
import { globalAvgPool2d } from '../engine/ops/globalAvgPool2d.js';
import { mul } from '../engine/ops/mul.js';
import { softArgmax2d } from '../engine/ops/softArgmax2d.js';
import type { Tensor } from '../engine/tensor.js';
import { type Build, Conv2d, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import type { ResNet } from '../nn/resnet.js';

/** The five discs from L1/L2 to L5/S1, then the front. */
export const POINTS = LEVELS.length + 1;
export const FRONT = LEVELS.length;
/** How far the front lies before L3/L4: about the middle of the vertebral body, seen from the canal. */
export const FRONT_MM = 25;

export type HeadKind = 'heatmap' | 'regression';

/** Feature maps to six points: a 1x1 convolution read by soft-argmax, or a linear layer on the pooled embedding. */
export class LocalizationHead extends Module {
  readonly #maps: Conv2d | undefined;
  readonly #coordinates: Linear | undefined;
  readonly #temperature: number;

  /** @param sliceSize side of the slices in pixels */
  constructor(
    build: Build,
    private readonly encoder: Pick<ResNet, 'features' | 'stride'>,
    private readonly sliceSize: number,
    kind: HeadKind,
  ) {
    super();
    const { features } = encoder;
    if (kind === 'heatmap') {
      this.#maps = this.child('maps', new Conv2d(build, features, POINTS, 1, { bias: true }));
    } else {
      this.#coordinates = this.child('coordinates', new Linear(build, features, 2 * POINTS));
    }
    // As in attention: the first heatmaps are nearly flat, however wide the encoder.
    this.#temperature = Math.sqrt(features);
  }

  /** Feature map [N, features, H, W] -> points, twelve numbers a row: [N, 6, 2] or [N, 12], (x, y) in slice pixels. */
  forward(features: Tensor): Tensor {
    if (this.#maps) {
      const cells = softArgmax2d(this.#maps.forward(features), { temperature: this.#temperature });
      return mul(cells, this.encoder.stride);
    }
    return mul(this.#coordinates!.forward(globalAvgPool2d(features)), this.sliceSize);
  }
}

/** An encoder and its localization head; names `encoder.*` and `head.*`. */
export class Localizer extends Module {
  constructor(
    readonly encoder: ResNet,
    readonly head: LocalizationHead,
  ) {
    super();
    this.child('encoder', encoder);
    this.child('head', head);
  }

  /** Slices [N, 1, S, S] -> points, twelve numbers a row: (x, y) in slice pixels. */
  forward(x: Tensor): Tensor {
    return this.head.forward(this.encoder.featureMap(x));
  }
}
