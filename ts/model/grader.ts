/** The grading network: an encoder, dropout, and one linear layer to the logits of the grades. */
import { noGrad } from '../engine/autograd.js';
import { type DropoutOptions, dropout } from '../engine/ops/dropout.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import { type Build, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import type { ResNet } from '../nn/resnet.js';

export interface GraderOptions {
  /** Number of grades. */
  grades: number;
  /** Keeps the encoder in eval mode and passes no gradient through it. Default false. */
  frozen?: boolean;
}

/** Crops [N, 1, S, S] to logits [N, grades]; state names `encoder.*` and `head.*`. */
export class Grader extends Module {
  readonly encoder: ResNet;
  readonly head: Linear;
  /** Number of grades. */
  readonly grades: number;
  readonly #frozen: boolean;

  constructor(build: Build, encoder: ResNet, { grades, frozen = false }: GraderOptions) {
    super();
    this.encoder = this.child('encoder', encoder);
    this.head = this.child('head', new Linear(build, encoder.features, grades));
    this.grades = grades;
    this.#frozen = frozen;
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
   * @param features dropout of the embedding in training mode; without it nothing is dropped
   */
  forward(x: Tensor, features?: DropoutOptions): Tensor {
    const encode = () => this.encoder.forward(x);
    const embedding = this.#frozen ? noGrad(() => tidy(encode)) : encode();
    const drops = this.training && features !== undefined && features.p > 0;
    return this.head.forward(drops ? dropout(embedding, features) : embedding);
  }
}
