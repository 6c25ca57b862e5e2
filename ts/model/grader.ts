/** The grading network: an encoder and, after dropout, one linear layer to the grades. */
import { noGrad } from '../engine/autograd.js';
import { dropout } from '../engine/ops/dropout.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import { type Build, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import type { ResNet } from '../nn/resnet.js';

export interface GraderOptions {
  /** Number of grades. */
  grades: number;
  /** Probability that a feature is dropped before the linear layer, in training. */
  dropout?: number;
  /** Keep the encoder as it is: always in eval mode, no gradient through it. */
  frozen?: boolean;
}

/** Draws the dropout mask of one training step. */
export interface DropoutKeys {
  seed: number;
  step: number;
}

/** Slices or crops [N, 1, S, S] to logits [N, grades]; names `encoder.*` and `head.*`. */
export class Grader extends Module {
  readonly encoder: ResNet;
  readonly head: Linear;
  readonly #dropout: number;
  readonly #frozen: boolean;

  constructor(build: Build, encoder: ResNet, options: GraderOptions) {
    super();
    this.encoder = this.child('encoder', encoder);
    this.head = this.child('head', new Linear(build, encoder.features, options.grades));
    this.#dropout = options.dropout ?? 0;
    this.#frozen = options.frozen ?? false;
    this.train();
  }

  override train(on = true): this {
    super.train(on);
    if (this.#frozen) this.encoder.eval();
    return this;
  }

  /**
   * [N, 1, S, S] -> logits [N, grades].
   *
   * @param keys of the dropout; without them, or in eval mode, nothing is dropped
   */
  forward(x: Tensor, keys?: DropoutKeys): Tensor {
    const encode = () => this.encoder.forward(x);
    const features = this.#frozen ? noGrad(() => tidy(encode)) : encode();
    const drops = this.training && keys !== undefined && this.#dropout > 0;
    return this.head.forward(drops ? dropout(features, { p: this.#dropout, ...keys }) : features);
  }
}
