/** A grading head: the layers from an embedding to logits, and the meaning of the logits. */
import type { Tensor } from '../../engine/tensor.js';
import type { Build } from '../../nn/layers.js';
import type { Module } from '../../nn/module.js';

/** The layers of a head. Their state is saved as `heads.<task>.*`. */
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

/** The target of `focalLoss` for what has no grade. */
export const IGNORED = -100;

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
   * The loss [1] of a batch, recorded for backward: that of the discs with a grade, as if there were no others.
   *
   * @param logits [N, outputs]
   * @param grades index of the grade of each disc, null without one; at least one is a grade
   */
  loss(logits: Tensor, grades: readonly (number | null)[], options: LossOptions): Tensor;
  /** Logits [N, outputs] -> probabilities [N, grades]: none negative, each row sums to 1. */
  probabilities(logits: Tensor): Tensor;
}
