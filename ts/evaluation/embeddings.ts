/** What embeddings show about a representation, without a network: each a function of plain arrays. */
import { argmax } from './metrics.js';

/** Rows of equal length, one after the other. */
export interface Embeddings {
  values: Float32Array;
  /** Values per row. */
  length: number;
}

/** t of the uniformity. */
const SHARPNESS = 2;

const rowsOf = ({ values, length }: Embeddings): number => values.length / length;

function squaredDistance({ values, length }: Embeddings, i: number, j: number): number {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += (values[i * length + k]! - values[j * length + k]!) ** 2;
  return sum;
}

/**
 * Mean squared distance of positive pairs, from 0 to 4 for unit vectors; 0 is best (Wang and Isola, "Understanding
 * contrastive representation learning through alignment and uniformity on the hypersphere", ICML 2020, alpha 2).
 *
 * @param views unit vectors: the first views of all discs, then their second views in the same order
 */
export function alignment(views: Embeddings): number {
  const discs = rowsOf(views) / 2;
  let sum = 0;
  for (let i = 0; i < discs; i++) sum += squaredDistance(views, i, i + discs);
  return sum / discs;
}

/**
 * Logarithm of the mean of exp(-2 d^2) over all pairs of rows, from -8 to 0 for unit vectors; lower is more uniform (Wang
 * and Isola 2020, t = 2). 0 is a collapse to one point.
 *
 * @param rows at least two unit vectors
 */
export function uniformity(rows: Embeddings): number {
  const count = rowsOf(rows);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < i; j++) sum += Math.exp(-SHARPNESS * squaredDistance(rows, i, j));
  }
  return Math.log(sum / ((count * (count - 1)) / 2));
}

/** The number of views (first views, then second views) whose nearest neighbour is the other view of the same disc. */
export function retrieved(views: Embeddings): number {
  const rows = rowsOf(views);
  const discs = rows / 2;
  let hits = 0;
  for (let i = 0; i < rows; i++) {
    let best = -Infinity;
    let nearest = -1;
    for (let j = 0; j < rows; j++) {
      if (j === i) continue;
      const cosine = dot(views, i, views, j);
      if (cosine > best) [best, nearest] = [cosine, j];
    }
    if (nearest % discs === i % discs) hits++;
  }
  return hits;
}

/**
 * Classes of the queries by the vote of the k references with the largest cosine. Ties go to the class of the nearest one.
 *
 * @param classes of the references, indices from 0
 */
export function nearestNeighbours(
  references: Embeddings,
  classes: readonly number[],
  queries: Embeddings,
  k: number,
): number[] {
  const unitReferences = normalised(references);
  const unitQueries = normalised(queries);
  return Array.from({ length: rowsOf(queries) }, (_, query) => {
    const nearest: { cosine: number; label: number }[] = [];
    for (let row = 0; row < classes.length; row++) {
      const cosine = dot(unitQueries, query, unitReferences, row);
      if (nearest.length === k && cosine <= nearest[k - 1]!.cosine) continue;
      const at = nearest.findIndex((other) => cosine > other.cosine);
      nearest.splice(at < 0 ? nearest.length : at, 0, { cosine, label: classes[row]! });
      if (nearest.length > k) nearest.pop();
    }
    const votes = nearest.map(({ label }) => nearest.filter((other) => other.label === label).length);
    return nearest[argmax(votes)]!.label;
  });
}

/** The scalar product of two rows. */
export function dot(a: Embeddings, i: number, b: Embeddings, j: number): number {
  const { length } = a;
  let sum = 0;
  for (let k = 0; k < length; k++) sum += a.values[i * length + k]! * b.values[j * length + k]!;
  return sum;
}

/** Rows of length 1; a row of zeros stays. */
export function normalised({ values, length }: Embeddings): Embeddings {
  const unit = Float32Array.from(values);
  for (let first = 0; first < unit.length; first += length) {
    const row = unit.subarray(first, first + length);
    const norm = Math.hypot(...row);
    if (norm > 0) for (let k = 0; k < length; k++) row[k]! /= norm;
  }
  return { values: unit, length };
}
