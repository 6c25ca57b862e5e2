/** The grading network: an encoder, dropout, and a head per task. */
import { noGrad } from '../engine/autograd.js';
import { type DropoutOptions, dropout } from '../engine/ops/dropout.js';
import { add } from '../engine/ops/elementwise.js';
import type { Tensor } from '../engine/tensor.js';
import { tidy } from '../engine/tidy.js';
import { SpinegradError } from '../error.js';
import type { Build } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import { type DiscEncoder, encode } from './fusion/encoder.js';
import type { EncoderInput } from './fusion/input.js';
import type { LossOptions } from './heads/head.js';
import { Heads, type TaskHead } from './heads/heads.js';
import { HEADS } from './heads/index.js';

export interface GraderOptions {
  /** One per task; all tasks share the encoder. */
  heads: readonly TaskHead[];
  /** Keeps the encoder in eval mode and passes no gradient through it. Default false. */
  frozen?: boolean;
}

/**
 * Crops of N discs to logits, one tensor [N, outputs] per task; state names `encoder.*` and `heads.<task>.*`.
 *
 * @example
 * const heads = [{ task: 'spider/pfirrmann', head: 'corn', grades: 5 }, { task: 'spider/modic', head: 'softmax', grades: 4 }];
 * const grader = new Grader(build, resnet18(build), { heads });
 * const logits = grader.forward(images);
 * using loss = grader.loss(logits, [[4, 0], [2, null]], lossOptions);
 */
export class Grader extends Module {
  readonly encoder: DiscEncoder;
  readonly heads: Heads;
  readonly #frozen: boolean;

  constructor(build: Build, encoder: DiscEncoder, { heads, frozen = false }: GraderOptions) {
    super();
    this.encoder = this.child('encoder', encoder);
    this.heads = this.child('heads', new Heads(build, encoder.features, heads));
    this.#frozen = frozen;
    this.train();
  }

  override train(on = true): this {
    super.train(on);
    if (this.#frozen) this.encoder.eval();
    return this;
  }

  /**
   * Input of `encoderInput` -> logits [N, outputs] per task.
   *
   * @param features dropout of the embedding in training mode; without it nothing is dropped
   */
  forward(x: EncoderInput, features?: DropoutOptions): Tensor[] {
    const embed = () => encode(this.encoder, x);
    const embedding = this.#frozen ? noGrad(() => tidy(embed)) : embed();
    const drops = this.training && features !== undefined && features.p > 0;
    return this.heads.forward(drops ? dropout(embedding, features) : embedding);
  }

  /**
   * The sum over the tasks of their losses: a scalar [1], recorded for backward. A task's loss is that of the discs with a
   * grade of this task; a task without any is left out.
   *
   * @param logits [N, outputs] per task
   * @param grades per disc and task: the index from 0, or null without a grade
   * @param options per task
   * @throws SpinegradError ERR_NO_TARGETS if no disc has a grade
   */
  loss(
    logits: readonly Tensor[],
    grades: readonly (readonly (number | null)[])[],
    options: readonly LossOptions[],
  ): Tensor {
    const losses = this.heads.of.flatMap(({ head }, task) => {
      const ofTask = grades.map((disc) => disc[task]!);
      const graded = ofTask.some((grade) => grade !== null);
      return graded ? [HEADS[head].loss(logits[task]!, ofTask, options[task]!)] : [];
    });
    if (losses.length > 0) return losses.reduce((a, b) => add(a, b));
    throw new SpinegradError(
      'ERR_NO_TARGETS',
      'Grader.loss(): grades: found no grade, expected at least one',
    );
  }

  /** Logits [N, outputs] per task -> probabilities [N, grades] per task. */
  probabilities(logits: readonly Tensor[]): Tensor[] {
    return this.heads.of.map(({ head }, task) => HEADS[head].probabilities(logits[task]!));
  }
}
