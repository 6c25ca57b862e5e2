/**
 * The localizer of a sagittal slice. `unet` is dense prediction: a U-Net gives maps of all visible discs, of the L5/S1
 * disc and of the anterior side of the spine, and decode.ts names the discs. `regression` is the baseline, the coordinate
 * regression of the paper: the five lumbar centres from the pooled embedding of a ResNet.
 */
import { LEVELS } from '../anatomy.js';
import { mul } from '../engine/ops/elementwise.js';
import { globalAvgPool2d } from '../engine/ops/globalAvgPool2d.js';
import type { Tensor } from '../engine/tensor.js';
import { type Build, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import type { ResNet } from '../nn/resnet.js';
import type { UNet } from '../nn/unet.js';

/**
 * The maps of the U-Net. `disc`: the centre of each disc. `sacral`: the centre of L5/S1. `anterior`: for each disc, the
 * point half a pitch in front of its centre.
 */
export const MAPS = ['disc', 'sacral', 'anterior'] as const;

/** A U-Net with one output per map; state names `network.*`. */
export class HeatmapLocalizer extends Module {
  readonly kind = 'unet';
  /** Pixels of the slice per pixel of a map: map pixel u is the slice pixel mapStride u + (mapStride - 1) / 2. */
  readonly mapStride: 1 | 2;

  /**
   * @param sliceSize side of the slices in pixels
   * @param pitchMm mean distance of neighbouring lumbar points of the training slices
   */
  constructor(
    readonly network: UNet,
    readonly sliceSize: number,
    readonly pitchMm: number,
  ) {
    super();
    this.child('network', network);
    this.mapStride = network.architecture.outputStride;
  }

  /** Slices [N, 1, S, S] -> logits [N, 3, S / mapStride, S / mapStride] in the order of `MAPS`. */
  forward(x: Tensor): Tensor {
    return this.network.forward(x);
  }
}

/** A ResNet and a linear layer on its pooled embedding; state names `encoder.*` and `coordinates.*`. */
export class RegressionLocalizer extends Module {
  readonly kind = 'regression';
  readonly #coordinates: Linear;

  /** @param sliceSize side of the slices in pixels */
  constructor(
    build: Build,
    readonly encoder: ResNet,
    readonly sliceSize: number,
  ) {
    super();
    this.child('encoder', encoder);
    this.#coordinates = this.child('coordinates', new Linear(build, encoder.features, 2 * LEVELS.length));
  }

  /** Slices [N, 1, S, S] -> [N, 10]: (x, y) in slice pixels of the discs L1/L2 to L5/S1. */
  forward(x: Tensor): Tensor {
    return mul(this.#coordinates.forward(globalAvgPool2d(this.encoder.featureMap(x))), this.sliceSize);
  }
}

export type Localizer = HeatmapLocalizer | RegressionLocalizer;
