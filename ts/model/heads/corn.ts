import { mul, sigmoid } from '../../engine/ops/elementwise.js';
import { linear } from '../../engine/ops/linear.js';
import type { Tensor } from '../../engine/tensor.js';
import { Linear } from '../../nn/layers.js';
import type { Head } from './head.js';
import { gradeProbabilities, thresholdLoss, total } from './thresholds.js';

/**
 * CORN: conditional ordinal regression (Shi, Cao and Raschka, "Deep Neural Networks for Rank-Consistent Ordinal
 * Regression Based On Conditional Probabilities", Pattern Analysis and Applications 26, 2023; arXiv 2111.08851, 2021).
 *
 * K grades have K - 1 thresholds. Logit k is that of P(grade > k | grade > k - 1), and each has its own weights. By the
 * chain rule P(grade > k) is the product of the first k + 1 conditional probabilities, which never increases with k.
 */
export const corn: Head = {
  outputs: (grades) => grades - 1,

  layers: (build, features, grades) => new Linear(build, features, grades - 1),

  /**
   * The mean binary focal loss over all pairs of a disc and a threshold k with grade > k - 1; gamma 0 is the loss of the
   * paper. A weighting weights the two sides of each threshold by their frequency among the discs with grade > k - 1.
   */
  loss(logits, grades, options) {
    const { counts } = options;
    const pairs = counts.slice(1).map((_, k) => [counts[k]!, total(counts.slice(k + 1))] as const);
    return thresholdLoss(logits, grades, options, pairs, (grade, k) => grade >= k);
  },

  probabilities: (logits) => gradeProbabilities(cumulativeProducts(sigmoid(logits))),
};

/** [N, T]: column k is the product of the columns 0 to k. */
function cumulativeProducts(x: Tensor): Tensor {
  const columns = x.shape[1]!;
  let product: Tensor | undefined;
  for (let j = 0; j < columns; j++) {
    // Column j in the columns from j, and 1 in those before.
    const matrix = Float32Array.from({ length: columns * columns }, (_, i) =>
      Number(i % columns === j && Math.floor(i / columns) >= j),
    );
    const ones = Float32Array.from({ length: columns }, (_, k) => Number(k < j));
    const factor = linear(x, x.device.tensor(matrix, [columns, columns]), x.device.tensor(ones));
    product = product ? mul(product, factor) : factor;
  }
  return product!;
}
