import { add, mul, sigmoid } from '../../engine/ops/elementwise.js';
import { gather } from '../../engine/ops/gather.js';
import { linear } from '../../engine/ops/linear.js';
import type { Tensor } from '../../engine/tensor.js';
import { type Build, Linear } from '../../nn/layers.js';
import { Module } from '../../nn/module.js';
import type { Head } from './head.js';
import { gradeProbabilities, thresholdLoss, total } from './thresholds.js';

/**
 * CORAL: rank-consistent ordinal regression (Cao, Mirjalili and Raschka, "Rank consistent ordinal regression for neural
 * networks with application to age estimation", Pattern Recognition Letters 140, 2020).
 *
 * K grades have K - 1 thresholds. Logit k is that of P(grade > k); all logits share one weight vector and differ in their
 * bias. The paper shows that the biases are ordered at the minimum of the loss. Here they are ordered in every step:
 * each bias is the previous one minus the square of a learned gap. So P(grade > k) never increases with k, and the
 * probabilities of the grades are differences that are never negative.
 */
export const coral: Head = {
  outputs: (grades) => grades - 1,

  layers: (build, features, grades) => new CoralLayers(build, features, grades - 1),

  /**
   * The sum over the thresholds of the mean binary focal loss; gamma 0 is the cross entropy of the paper. A weighting
   * weights the two sides of each threshold by their frequency.
   */
  loss(logits, grades, options) {
    const { counts } = options;
    const pairs = counts
      .slice(1)
      .map((_, k) => [total(counts.slice(0, k + 1)), total(counts.slice(k + 1))] as const);
    return mul(thresholdLoss(logits, grades, options, pairs), pairs.length);
  },

  probabilities: (logits) => gradeProbabilities(sigmoid(logits)),
};

/** The linear layer `score` gives the logit of the first threshold; `gaps` are the roots of the distances to the next. */
class CoralLayers extends Module {
  readonly #score: Linear;
  readonly #gaps: Tensor | undefined;

  constructor(
    build: Build,
    features: number,
    private readonly thresholds: number,
  ) {
    super();
    this.#score = this.child('score', new Linear(build, features, 1));
    if (thresholds > 1) this.#gaps = this.parameter('gaps', build.device.full([thresholds - 1], 1));
  }

  forward(embeddings: Tensor): Tensor {
    const repeat = embeddings.device.full([this.thresholds, 1], 1);
    return linear(this.#score.forward(embeddings), repeat, this.#gaps && this.#offsets(this.#gaps));
  }

  /** [thresholds]: offset k is minus the sum of the first k squared gaps. */
  #offsets(gaps: Tensor): Tensor {
    const { device } = gaps;
    const { thresholds } = this;
    const squares = mul(gaps, gaps);
    let offsets: Tensor | undefined;
    for (let j = 0; j < thresholds - 1; j++) {
      const square = gather(squares, device.tensor(new Int32Array(thresholds).fill(j)));
      const above = device.tensor(Float32Array.from({ length: thresholds }, (_, k) => (k > j ? -1 : 0)));
      const term = mul(square, above);
      offsets = offsets ? add(offsets, term) : term;
    }
    return offsets!;
  }
}
