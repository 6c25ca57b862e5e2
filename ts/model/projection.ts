/** The projection head of contrastive learning (Chen et al., SimCLR, 2020): thrown away after pretraining. */
import { l2Normalize } from '../engine/ops/l2Normalize.js';
import { relu } from '../engine/ops/relu.js';
import type { Tensor } from '../engine/tensor.js';
import { type Build, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';

/** Embeddings [N, C] to rows of length 1 [N, out]: linear, ReLU, linear, l2Normalize. */
export class ProjectionHead extends Module {
  readonly #hidden: Linear;
  readonly #out: Linear;

  /** Linear, ReLU, Linear; the hidden layer is as wide as the embedding. */
  constructor(build: Build, features: number, out: number) {
    super();
    this.#hidden = this.child('0', new Linear(build, features, features));
    this.#out = this.child('2', new Linear(build, features, out));
  }

  /** Embeddings [N, features] -> rows of length 1, [N, out] */
  forward(x: Tensor): Tensor {
    return l2Normalize(this.#out.forward(relu(this.#hidden.forward(x))));
  }
}
