/** A grading head: the layers from an embedding to logits, and the meaning of the logits. */
import type { Tensor } from '../../engine/tensor.js';
import type { Build } from '../../nn/layers.js';
import type { Module } from '../../nn/module.js';

/** The layers of a head. Their state is saved as `head.*`. */
export interface HeadLayers extends Module {
  /** Embeddings [N, features] -> logits [N, outputs]. */
  forward(embeddings: Tensor): Tensor;
}

/** How the classes of a loss are weighted by their frequency. */
export type Weighting = 'inverse' | 'sqrt' | 'none';

export interface LossOptions {
  /** Focusing parameter of the focal loss; 0 is cross entropy. */
  gamma: number;
  /** Fraction of the target that is spread over the classes. */
  labelSmoothing: number;
  weighting: Weighting;
  /** Number of training discs of each grade. */
  counts: readonly number[];
}

/**
 * A head is one file with these functions and one entry in `HEADS`. A model records the name of the head and the number
 * of grades; they determine the layers.
 */
export interface Head {
  /** Number of logits per disc. */
  outputs(grades: number): number;
  /** Builds the layers with their first weights. */
  layers(build: Build, features: number, grades: number): HeadLayers;
  /**
   * The loss [1] of a batch, recorded for backward.
   *
   * @param logits [N, outputs]
   * @param grades index of the grade of each disc
   */
  loss(logits: Tensor, grades: readonly number[], options: LossOptions): Tensor;
  /** Logits [N, outputs] -> probabilities [N, grades]: none negative, each row sums to 1. */
  probabilities(logits: Tensor): Tensor;
}
