/** Published frequencies of grades, and the statistics that compare the phantom's grades with them. */

import type { Prevalence } from '#spinegrad/phantom/prevalence.js';
import type { LevelReading } from '#spinegrad/phantom/reader.js';
import { readStudy } from '#spinegrad/phantom/reader.js';
import { drawStudy } from '#spinegrad/phantom/study.js';

/** RSNA 2024: Normal/Mild, Moderate, Severe canal stenosis, L1/L2 to L5/S1. */
export const RSNA_COUNTS = [
  [1886, 67, 21],
  [1770, 151, 53],
  [1622, 230, 122],
  [1482, 237, 255],
  [1904, 51, 19],
] as const;

/**
 * Spearman correlation of each level's grade with the grade of the level above. RSNA's are 0.45, 0.40 and 0.18
 * for the lower three pairs; that of L1/L2 with L2/L3 is not published, 0.40 is assumed.
 */
export const NEIGHBOURS = [0, 0.4, 0.45, 0.4, 0.18] as const;

export function readings(seed: number, studies: number, prevalence: Prevalence): LevelReading[][] {
  return Array.from({ length: studies }, (_, index) => readStudy(drawStudy(seed, index, prevalence, 7)));
}

/** Spearman's rank correlation, ties at their mean rank. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  return pearson(ranks(a), ranks(b));
}

/** Cohen's kappa of two graders over classes 0..2, unweighted. */
export function cohensKappa(a: readonly number[], b: readonly number[]): number {
  const share = (values: readonly number[], grade: number) =>
    values.filter((value) => value === grade).length / values.length;
  const agreed = a.filter((value, i) => value === b[i]).length / a.length;
  const chance = [0, 1, 2].reduce((sum, grade) => sum + share(a, grade) * share(b, grade), 0);
  return (agreed - chance) / (1 - chance);
}

function ranks(values: readonly number[]): number[] {
  const order = [...values.keys()].sort((i, j) => values[i]! - values[j]!);
  const result = new Array<number>(values.length);
  for (let i = 0; i < order.length; ) {
    let j = i;
    while (j < order.length && values[order[j]!] === values[order[i]!]) j++;
    for (let k = i; k < j; k++) result[order[k]!] = (i + j - 1) / 2;
    i = j;
  }
  return result;
}

function pearson(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  let [aa, bb, ab] = [0, 0, 0];
  for (const [i, value] of a.entries()) {
    aa += (value - ma) ** 2;
    bb += (b[i]! - mb) ** 2;
    ab += (value - ma) * (b[i]! - mb);
  }
  return ab / Math.sqrt(aa * bb);
}
