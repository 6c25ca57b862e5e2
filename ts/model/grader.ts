/** The grading network: an encoder, dropout, and a head. */
import { noGrad } from '../engine/autograd.js';
import { type DropoutOptions, dropout } from '../engine/ops/dropout.js';
import { type Tensor, tidy } from '../engine/tensor.js';
import type { Build } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import type { ResNet } from '../nn/resnet.js';
import type { HeadLayers, LossOptions } from './heads/head.js';
import { HEADS } from './heads/index.js';
import type { HeadName } from './heads/names.js';

export interface GraderOptions {
  /** Number of grades. */
  grades: number;
  /** Default softmax. */
  head?: HeadName;
  /** Keeps the encoder in eval mode and passes no gradient through it. Default false. */
  frozen?: boolean;
}

/**
 * Crops [N, 1, S, S] to logits [N, outputs]; state names `encoder.*` and `head.*`.
 *
 * @example
 * const grader = new Grader(build, resnet18(build), { grades: 3 });
 * using logits = grader.forward(images);
 * using loss = grader.loss(logits, grades, { gamma: 2, labelSmoothing: 0, weighting: 'none', counts: [50, 30, 20] });
 */
export class Grader extends Module {
  readonly encoder: ResNet;
  readonly head: HeadLayers;
  /** The options that determine names and shapes of the head's state. */
  readonly architecture: { head: HeadName; grades: number };
  readonly #frozen: boolean;

  constructor(build: Build, encoder: ResNet, { grades, head = 'softmax', frozen = false }: GraderOptions) {
    super();
    this.encoder = this.child('encoder', encoder);
    this.head = this.child('head', HEADS[head].layers(build, encoder.features, grades));
    this.architecture = { head, grades };
    this.#frozen = frozen;
    this.train();
  }

  override train(on = true): this {
    super.train(on);
    if (this.#frozen) this.encoder.eval();
    return this;
  }

  /**
   * [N, 1, S, S] -> logits [N, outputs].
   *
   * @param features dropout of the embedding in training mode; without it nothing is dropped
   */
  forward(x: Tensor, features?: DropoutOptions): Tensor {
    const encode = () => this.encoder.forward(x);
    const embedding = this.#frozen ? noGrad(() => tidy(encode)) : encode();
    const drops = this.training && features !== undefined && features.p > 0;
    return this.head.forward(drops ? dropout(embedding, features) : embedding);
  }

  /** The loss [1] of logits [N, outputs], recorded for backward; `grades` are indices from 0. */
  loss(logits: Tensor, grades: readonly number[], options: LossOptions): Tensor {
    return HEADS[this.architecture.head].loss(logits, grades, options);
  }

  /** Logits [N, outputs] -> probabilities [N, grades]. */
  probabilities(logits: Tensor): Tensor {
    return HEADS[this.architecture.head].probabilities(logits);
  }
}
