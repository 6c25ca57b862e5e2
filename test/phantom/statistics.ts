/** Published frequencies of grades, and statistics to compare the grades of the phantom with them. */

import { axialT2 } from '#spinegrad/phantom/axial.js';
import { type LateralReading, readForamina, readRecesses } from '#spinegrad/phantom/lateralReader.js';
import type { LateralZone, Prevalence } from '#spinegrad/phantom/prevalence.js';
import type { LevelReading } from '#spinegrad/phantom/reader.js';
import { readStudy } from '#spinegrad/phantom/reader.js';
import { drawStudy, sagittalT1 } from '#spinegrad/phantom/study.js';

/** RSNA 2024: number of Normal/Mild, Moderate and Severe canal stenoses, L1/L2 to L5/S1. */
export const RSNA_COUNTS = [
  [1886, 67, 21],
  [1770, 151, 53],
  [1622, 230, 122],
  [1482, 237, 255],
  [1904, 51, 19],
] as const;

/**
 * Spearman correlation of the grade of each level with the grade of the level above. In the RSNA data it is 0.45, 0.40
 * and 0.18 for the lower three pairs. For L1/L2 and L2/L3 it is not published; 0.40 is assumed.
 */
export const NEIGHBOURS = [0, 0.4, 0.45, 0.4, 0.18] as const;

export function readings(seed: number, studies: number, prevalence: Prevalence): LevelReading[][] {
  return Array.from({ length: studies }, (_, index) => readStudy(drawStudy(seed, index, prevalence, 7)));
}

const ENRICHED = [0, 1, 2, 3, 4].map(() => [0.5, 0.25]);

/**
 * Frequency of moderate or severe, and of severe, at each level of a side. Chosen so that narrowing increases caudally
 * as in patients; not published figures.
 */
export const LATERAL_FREQUENCIES: Record<LateralZone, Record<Prevalence, readonly (readonly number[])[]>> = {
  foramen: {
    rsna: [
      [0.03, 0.004],
      [0.1, 0.01],
      [0.23, 0.03],
      [0.38, 0.07],
      [0.38, 0.09],
    ],
    enriched: ENRICHED,
  },
  recess: {
    rsna: [
      [0.06, 0.01],
      [0.2, 0.04],
      [0.35, 0.09],
      [0.55, 0.22],
      [0.33, 0.1],
    ],
    enriched: ENRICHED,
  },
};

/** All readings of the foramina or of the lateral recesses of some studies. */
export function lateralReadings(
  zone: LateralZone,
  seed: number,
  studies: number,
  prevalence: Prevalence,
): LateralReading[] {
  return Array.from({ length: studies }, (_, index) => {
    const study = drawStudy(seed, index, prevalence, 7, true);
    return zone === 'foramen' ? readForamina(sagittalT1(study)) : readRecesses(axialT2(study));
  }).flat();
}

/** Spearman's rank correlation; ties have their mean rank. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  return pearson(ranks(a), ranks(b));
}

/** Cohen's unweighted kappa of two readers over the grades 0 to 2. */
export function cohensKappa(a: readonly number[], b: readonly number[]): number {
  const frequency = (values: readonly number[], grade: number) =>
    values.filter((value) => value === grade).length / values.length;
  const agreement = a.filter((value, i) => value === b[i]).length / a.length;
  const chance = [0, 1, 2].reduce((sum, grade) => sum + frequency(a, grade) * frequency(b, grade), 0);
  return (agreement - chance) / (1 - chance);
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
