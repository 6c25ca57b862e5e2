import { describe, expect, it } from 'vitest';
import { readStudy } from '#spinegrad/phantom/reader.js';
import { drawStudy } from '#spinegrad/phantom/study.js';
import { cohensKappa, NEIGHBOURS, RSNA_COUNTS, readings, spearman } from './statistics.js';

const STUDIES = 1500;

/** Four standard errors of the difference between a frequency in STUDIES studies and one in `other` studies. */
const bound = (frequency: number, other: number) =>
  4 * Math.sqrt(frequency * (1 - frequency) * (1 / STUDIES + 1 / other));

const frequencyOf = (rows: readonly number[][], level: number, grade: number) =>
  rows.filter((row) => row[level] === grade).length / rows.length;

describe('grades with the prevalence of the RSNA data', () => {
  const studies = readings(21, STUDIES, 'rsna');
  const grades = studies.map((rows) => rows.map((row) => row.reportedGrade));

  it('have the frequencies of the RSNA data at each level', () => {
    for (const [level, counts] of RSNA_COUNTS.entries()) {
      const total = counts[0] + counts[1] + counts[2];
      for (const [grade, count] of counts.entries()) {
        const target = count / total;
        expect(
          Math.abs(frequencyOf(grades, level, grade) - target),
          `level ${level}, grade ${grade}`,
        ).toBeLessThan(bound(target, total));
      }
    }
  });

  it('have the published correlation between neighbouring levels', () => {
    for (let level = 1; level < 5; level++) {
      const found = spearman(
        grades.map((row) => row[level - 1]!),
        grades.map((row) => row[level]!),
      );
      expect(Math.abs(found - NEIGHBOURS[level]!), `level ${level}: ${found}`).toBeLessThan(0.1);
    }
  });

  it('agree with the error-free grades at a kappa of 0.68 to 0.78', () => {
    const kappa = cohensKappa(
      grades.flat(),
      studies.flatMap((rows) => rows.map((row) => row.grade)),
    );
    expect(kappa).toBeGreaterThan(0.68);
    expect(kappa).toBeLessThan(0.78);
  });
});

describe('enriched grades', () => {
  const grades = readings(22, STUDIES, 'enriched').map((rows) => rows.map((row) => row.reportedGrade));

  it('are half normal, a quarter moderate and a quarter severe at each level', () => {
    for (let level = 0; level < 5; level++) {
      for (const [grade, target] of [0.5, 0.25, 0.25].entries()) {
        expect(
          Math.abs(frequencyOf(grades, level, grade) - target),
          `level ${level}, grade ${grade}`,
        ).toBeLessThan(bound(target, 3000));
      }
    }
  });
});

it('the same seed and index give the same study', () => {
  expect(readStudy(drawStudy(9, 4, 'rsna', 7))).toEqual(readStudy(drawStudy(9, 4, 'rsna', 7)));
  expect(readStudy(drawStudy(9, 5, 'rsna', 7))).not.toEqual(readStudy(drawStudy(9, 4, 'rsna', 7)));
});
