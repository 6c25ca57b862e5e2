import { relu } from '../engine/ops/elementwise.js';
import { l2Normalize } from '../engine/ops/l2Normalize.js';
import type { Tensor } from '../engine/tensor.js';
import { type Build, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';

/**
 * The projection head of contrastive learning (Chen et al., SimCLR, ICML 2020): linear, ReLU, linear, l2Normalize. The
 * hidden layer is as wide as the embedding. It is discarded after pretraining.
 */
export class ProjectionHead extends Module {
  readonly #hidden: Linear;
  readonly #out: Linear;

  constructor(build: Build, features: number, out: number) {
    super();
    this.#hidden = this.child('0', new Linear(build, features, features));
    this.#out = this.child('2', new Linear(build, features, out));
  }

  /** Embeddings [N, features] -> unit vectors [N, out] */
  forward(x: Tensor): Tensor {
    return l2Normalize(this.#out.forward(relu(this.#hidden.forward(x))));
  }
}
