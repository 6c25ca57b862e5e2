/** What the neighbours of an embedding have in common with it: what a map of the embeddings can only suggest. */
import { dot, type Embeddings, normalised } from '../evaluation/embeddings.js';

/** Neighbours of a disc. */
export const NEIGHBOURS = 5;

/** How often neighbours have the label of a disc. */
export interface Agreement {
  /** Mean fraction of the nearest discs of other patients that have the label of the disc. */
  observed: number;
  /** The same for random discs of other patients. */
  chance: number;
}

/**
 * The agreement of the discs with their `NEIGHBOURS` nearest discs of other patients, by the cosine of the embeddings.
 *
 * @param labels of the rows; rows with null are left out
 * @param patients of the rows; discs of one patient are alike for other reasons than their label
 * @returns null if no disc has enough discs of other patients
 *
 * @example
 * neighbourAgreement({ values, length: 512 }, grades, studies); // { observed: 0.61, chance: 0.27 }
 */
export function neighbourAgreement(
  embeddings: Embeddings,
  labels: readonly (number | string | null)[],
  patients: readonly string[],
): Agreement | null {
  const rows = labels.flatMap((label, row) => (label === null ? [] : [row]));
  const unit = normalised(embeddings);
  const results = rows.flatMap((row): Agreement[] => {
    const others = rows.filter((other) => patients[other] !== patients[row]);
    if (others.length < NEIGHBOURS) return [];
    const ranked = others.map((other) => ({ other, near: dot(unit, row, unit, other) }));
    const nearest = ranked.sort((a, b) => b.near - a.near).slice(0, NEIGHBOURS);
    const isLike = (other: number) => labels[other] === labels[row];
    return [
      {
        observed: nearest.filter(({ other }) => isLike(other)).length / NEIGHBOURS,
        chance: others.filter(isLike).length / others.length,
      },
    ];
  });
  if (results.length === 0) return null;
  const mean = (pick: (agreement: Agreement) => number) =>
    results.reduce((sum, agreement) => sum + pick(agreement), 0) / results.length;
  return { observed: mean(({ observed }) => observed), chance: mean(({ chance }) => chance) };
}
