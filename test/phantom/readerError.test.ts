import { expect, it } from 'vitest';
import { readStudy } from '#spinegrad/phantom/reader.js';
import { READERS, readerOf } from '#spinegrad/phantom/readerError.js';
import { drawStudy } from '#spinegrad/phantom/study.js';

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

it('the readers together have the error of a single reader with a deviation of 0.12 and no bias', () => {
  expect(mean(READERS.map(({ bias }) => bias))).toBeCloseTo(0, 10);
  const variance = mean(READERS.map(({ bias, deviation }) => bias ** 2 + deviation ** 2));
  expect(Math.sqrt(variance)).toBeCloseTo(0.12, 2);
});

it('each reader reads a fifth of the studies', () => {
  const counts = READERS.map(() => 0);
  for (let index = 0; index < 2000; index++) counts[READERS.indexOf(readerOf({ seed: 4, index }))]!++;
  for (const count of counts) expect(Math.abs(count - 400)).toBeLessThan(4 * Math.sqrt(2000 * 0.2 * 0.8));
});

it('a strict reader reports more severe grades for the same images than a mild one', () => {
  const shifts = READERS.map((): number[] => []);
  for (let index = 0; index < 250; index++) {
    const study = drawStudy(41, index, 'enriched', 3);
    const own = shifts[READERS.indexOf(readerOf(study))]!;
    for (const { grade, reportedGrade } of readStudy(study)) own.push(reportedGrade - grade);
  }
  const [mildest, , , , strictest] = shifts.map(mean);
  expect(mildest).toBeLessThan(-0.05);
  expect(strictest).toBeGreaterThan(0.05);
});
