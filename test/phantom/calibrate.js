/**
 * Fits the constants of ts/phantom/prevalence.ts: `node test/phantom/calibrate.js [studies] [rounds]` after `npm run
 * build:ts`. Each round reads the grades of that many studies (no rendering) and moves each bend by the difference,
 * in standard deviations, between the wanted and the found frequency; prints what to put into the table.
 */
import { BENDS, CHAIN } from '#spinegrad/phantom/prevalence.js';
import { readStudy } from '#spinegrad/phantom/reader.js';
import { drawStudy } from '#spinegrad/phantom/study.js';
import { grades, spearman } from './statistics.js';

const WANTED = {
  rsna: [
    [1886, 67, 21],
    [1770, 151, 53],
    [1622, 230, 122],
    [1482, 237, 255],
    [1904, 51, 19],
  ].map(([normal, moderate, severe]) => {
    const all = normal + moderate + severe;
    return [(moderate + severe) / all, severe / all];
  }),
  enriched: Array.from({ length: 5 }, () => [0.5, 0.25]),
};
/** Spearman correlation of each level's grade with the grade above. */
const NEIGHBOURS = [null, 0.4, 0.45, 0.4, 0.18];

const [studies = 3000, rounds = 5] = process.argv.slice(2).map(Number);
for (const prevalence of ['rsna', 'enriched']) {
  for (let round = 0; round < rounds; round++) {
    const read = grades(round + 100, studies, prevalence, { drawStudy, readStudy });
    for (let level = 0; level < 5; level++) {
      for (const grade of [1, 2]) {
        const found = read.filter((row) => row[level] >= grade).length / studies;
        const step =
          quantile(1 - WANTED[prevalence][level][grade - 1]) - quantile(1 - Math.max(found, 0.5 / studies));
        BENDS[prevalence][level][grade - 1] += step / (1 + round / 2);
      }
      const [moderate, severe] = BENDS[prevalence][level];
      BENDS[prevalence][level][1] = Math.max(severe, moderate + 0.05);
      if (level > 0 && prevalence === 'rsna') {
        const found = spearman(
          read.map((row) => row[level - 1]),
          read.map((row) => row[level]),
        );
        CHAIN[level] = Math.min(0.97, CHAIN[level] + 0.7 * (NEIGHBOURS[level] - found));
      }
    }
  }
  const rounded = (values) => values.map((value) => Number(value.toFixed(3)));
  console.log(prevalence, JSON.stringify(BENDS[prevalence].map(rounded)), JSON.stringify(rounded(CHAIN)));
}

/** Inverse of the normal distribution function, by bisection. */
function quantile(probability) {
  let low = -6;
  let high = 6;
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (normalBelow(middle) < probability) low = middle;
    else high = middle;
  }
  return low;
}

/** Simpson's rule over the density. */
function normalBelow(x) {
  const steps = 400;
  const width = (x + 8) / steps;
  let sum = 0;
  for (let i = 0; i <= steps; i++) {
    const weight = i === 0 || i === steps ? 1 : i % 2 ? 4 : 2;
    sum += weight * Math.exp(-0.5 * (-8 + i * width) ** 2);
  }
  return (sum * width) / 3 / Math.sqrt(2 * Math.PI);
}
