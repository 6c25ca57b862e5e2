import { describe, expect, it } from 'vitest';
import { readStudy } from '#spinegrad/phantom/reader.js';
import { drawStudy } from '#spinegrad/phantom/study.js';
import { cohensKappa, NEIGHBOURS, RSNA_COUNTS, readings, spearman } from './statistics.js';

const STUDIES = 1500;

/** Four standard errors of a difference between this sample and one of `other` studies. */
const bound = (share: number, other: number) =>
  4 * Math.sqrt(share * (1 - share) * (1 / STUDIES + 1 / other));

const shareOf = (rows: readonly number[][], level: number, grade: number) =>
  rows.filter((row) => row[level] === grade).length / rows.length;

describe('grades with the prevalence of the RSNA data', () => {
  const all = readings(21, STUDIES, 'rsna');
  const read = all.map((rows) => rows.map((row) => row.readGrade));

  it('have its frequencies at each level', () => {
    for (const [level, counts] of RSNA_COUNTS.entries()) {
      const total = counts[0] + counts[1] + counts[2];
      for (const [grade, count] of counts.entries()) {
        const wanted = count / total;
        expect(Math.abs(shareOf(read, level, grade) - wanted), `level ${level}, grade ${grade}`).toBeLessThan(
          bound(wanted, total),
        );
      }
    }
  });

  it('go together with those of the neighbours', () => {
    for (let level = 1; level < 5; level++) {
      const found = spearman(
        read.map((row) => row[level - 1]!),
        read.map((row) => row[level]!),
      );
      expect(Math.abs(found - NEIGHBOURS[level]!), `level ${level}: ${found}`).toBeLessThan(0.1);
    }
  });

  it('agree with a reading without error as readers do', () => {
    const kappa = cohensKappa(
      read.flat(),
      all.flatMap((rows) => rows.map((row) => row.grade)),
    );
    expect(kappa).toBeGreaterThan(0.68);
    expect(kappa).toBeLessThan(0.78);
  });
});

it('the enriched prevalence is about half normal, a quarter moderate, a quarter severe', () => {
  const read = readings(22, STUDIES, 'enriched').map((rows) => rows.map((row) => row.readGrade));
  for (let level = 0; level < 5; level++) {
    for (const [grade, wanted] of [0.5, 0.25, 0.25].entries()) {
      expect(Math.abs(shareOf(read, level, grade) - wanted), `level ${level}, grade ${grade}`).toBeLessThan(
        bound(wanted, 3000),
      );
    }
  }
});

it('a study of the same seed and index is the same study', () => {
  expect(readStudy(drawStudy(9, 4, 'rsna', 7))).toEqual(readStudy(drawStudy(9, 4, 'rsna', 7)));
  expect(readStudy(drawStudy(9, 5, 'rsna', 7))).not.toEqual(readStudy(drawStudy(9, 4, 'rsna', 7)));
});
