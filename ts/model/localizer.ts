/**
 * The localizer: an encoder and a head that gives the centres of the five lumbar discs on a sagittal slice, and one
 * anterior point, which shows the direction of the patient's front. The head is either one heatmap per point, read by
 * soft-argmax (integral regression, Sun et al., ECCV 2018), or the regression of coordinates from the pooled embedding
 * that the paper uses.
 */
import { LEVELS } from '../anatomy.js';
import { mul } from '../engine/ops/elementwise.js';
import { globalAvgPool2d } from '../engine/ops/globalAvgPool2d.js';
import { softArgmax2d } from '../engine/ops/softArgmax2d.js';
import type { Tensor } from '../engine/tensor.js';
import { type Build, Conv2d, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import type { ResNet } from '../nn/resnet.js';

/** The five discs from L1/L2 to L5/S1, then the anterior point. */
export const POINTS = LEVELS.length + 1;
/** Index of the anterior point. */
export const ANTERIOR = LEVELS.length;
/** Distance of the anterior point from the centre of L3/L4, in mm: about the depth of the vertebral body. */
export const ANTERIOR_MM = 25;

export const HEAD_KINDS = ['heatmap', 'regression'] as const;
export type HeadKind = (typeof HEAD_KINDS)[number];

/** Feature maps to six points: a 1x1 convolution read by soft-argmax, or a linear layer on the pooled embedding. */
export class LocalizationHead extends Module {
  readonly #maps: Conv2d | undefined;
  readonly #coordinates: Linear | undefined;
  readonly #temperature: number;

  /** @param sliceSize side of the slices in pixels */
  constructor(
    build: Build,
    private readonly encoder: Pick<ResNet, 'features' | 'stride'>,
    readonly sliceSize: number,
    readonly kind: HeadKind,
  ) {
    super();
    const { features } = encoder;
    if (kind === 'heatmap') {
      this.#maps = this.child('maps', new Conv2d(build, features, POINTS, 1, { bias: true }));
    } else {
      this.#coordinates = this.child('coordinates', new Linear(build, features, 2 * POINTS));
    }
    // As in attention: the first heatmaps are nearly flat for every width of the encoder.
    this.#temperature = Math.sqrt(features);
  }

  /** Feature map [N, features, H, W] -> points [N, 6, 2] (heatmap) or [N, 12] (regression): (x, y) in slice pixels. */
  forward(features: Tensor): Tensor {
    if (this.#maps) {
      const cells = softArgmax2d(this.#maps.forward(features), { temperature: this.#temperature });
      return mul(cells, this.encoder.stride);
    }
    return mul(this.#coordinates!.forward(globalAvgPool2d(features)), this.sliceSize);
  }
}

/** An encoder and its localization head; state names `encoder.*` and `head.*`. */
export class Localizer extends Module {
  constructor(
    readonly encoder: ResNet,
    readonly head: LocalizationHead,
  ) {
    super();
    this.child('encoder', encoder);
    this.child('head', head);
  }

  /** Slices [N, 1, S, S] -> points, twelve numbers per slice: (x, y) in slice pixels. */
  forward(x: Tensor): Tensor {
    return this.head.forward(this.encoder.featureMap(x));
  }
}
