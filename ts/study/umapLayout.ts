/** A map of embeddings: UMAP (McInnes, Healy and Melville, arXiv 1802.03426) with a seeded random stream. */
import { UMAP } from 'umap-js';
import { type Embeddings, normalised } from '../evaluation/embeddings.js';
import { RandomStream } from '../random.js';

/** The defaults of the reference implementation. */
const NEIGHBOURS = 15;
const MIN_DISTANCE = 0.1;

/** Rows that a map needs; with fewer there is no neighbourhood to preserve. */
const MIN_ROWS = 8;

/** Purpose of the random stream. */
const PURPOSE = 0x756d6170;

/**
 * Places rows in two dimensions so that near rows stay near. Distances are those of unit vectors, which rank as the cosine.
 * The same rows and seed give the same places.
 *
 * @returns one place per row; null for fewer than 8 rows
 *
 * @example
 * const places = umapLayout({ values, length: 512 }, 1);
 */
export function umapLayout(embeddings: Embeddings, seed: number): [x: number, y: number][] | null {
  const { values, length } = normalised(embeddings);
  const rows = Array.from({ length: values.length / length }, (_, row) => [
    ...values.subarray(row * length, (row + 1) * length),
  ]);
  if (rows.length < MIN_ROWS) return null;
  const random = new RandomStream(seed, PURPOSE);
  const umap = new UMAP({
    nComponents: 2,
    nNeighbors: Math.min(NEIGHBOURS, rows.length - 1),
    minDist: MIN_DISTANCE,
    random: () => random.uniform(),
  });
  return umap.fit(rows) as [number, number][];
}
