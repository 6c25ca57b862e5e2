/**
 * Prints the coverage table of docs/evaluation.md: how often a 95 % bootstrap interval contains the true value, by the
 * number of patients. MIN_PATIENTS of ts/evaluation/bootstrap.ts follows from it.
 *
 *     node docs/tools/bootstrap-coverage.js [--prevalence enriched|rsna]
 *
 * Patients are simulated. The five discs of a patient have correlated severities, and the errors of the grader are
 * correlated within a patient. The true value is computed from 200,000 patients.
 */
import { parseArgs } from 'node:util';
import { percentileInterval, resampleStudies } from '#spinegrad/evaluation/bootstrap.js';
import { balancedAccuracy, confusionMatrix, recallPerClass } from '#spinegrad/evaluation/metrics.js';
import { RandomStream } from '#spinegrad/random.js';

const { prevalence } = parseArgs({ options: { prevalence: { type: 'string', default: 'enriched' } } }).values;
const CUTS = { enriched: [0.5, 1.2], rsna: [1.7, 2.35] }[prevalence];
const SIZES = { enriched: [2, 3, 5, 8, 10, 15, 20, 30, 50], rsna: [10, 20, 30, 50, 100, 200] }[prevalence];
const SAMPLES = 1000;
const RESAMPLES = 1000;

const gradeOf = (severity) => (severity < CUTS[0] ? 0 : severity < CUTS[1] ? 1 : 2);

function simulate(random, patients) {
  const studyId = [];
  const truth = [];
  const predicted = [];
  for (let patient = 0; patient < patients; patient++) {
    const shared = random.normal(0, 0.65);
    const shift = 0.1 + random.normal(0, 0.35);
    for (let disc = 0; disc < 5; disc++) {
      const severity = shared + random.normal(0, 0.76);
      studyId.push(String(patient));
      truth.push(gradeOf(severity));
      predicted.push(gradeOf(severity + shift + random.normal(0, 0.45)));
    }
  }
  return { studyId, truth, predicted };
}

function patientsPerGrade({ studyId, truth }) {
  return [0, 1, 2].map((grade) => new Set(studyId.filter((_, i) => truth[i] === grade)).size);
}

function measure({ truth, predicted }, weights) {
  const confusion = confusionMatrix(truth, predicted, 3, weights);
  return { accuracy: balancedAccuracy(confusion), severe: recallPerClass(confusion)[2] };
}

const expected = measure(simulate(new RandomStream(0), 200_000));
const random = new RandomStream(1);
const BINS = [1, 2, 3, 4, 5, 7, 10, 20, Number.POSITIVE_INFINITY];
const binOf = (patients) => BINS.findIndex((from, k) => patients >= from && patients < BINS[k + 1]);
const newBins = () => BINS.map(() => ({ samples: 0, covered: 0 }));
const coverage = { accuracy: newBins(), severe: newBins() };

function count(name, patients, resampled) {
  const { low, high } = percentileInterval(resampled.map((numbers) => numbers[name]));
  const bin = coverage[name][binOf(patients)];
  bin.samples += 1;
  if (low <= expected[name] && expected[name] <= high) bin.covered += 1;
}

for (const size of SIZES) {
  for (let i = 0; i < SAMPLES; i++) {
    const sample = simulate(random, size);
    const patients = patientsPerGrade(sample);
    if (patients.includes(0)) continue;
    const resampled = [];
    for (const weights of resampleStudies(sample.studyId, sample.truth, { seed: i, resamples: RESAMPLES })) {
      resampled.push(measure(sample, weights));
    }
    count('accuracy', Math.min(...patients), resampled);
    count('severe', patients[2], resampled);
  }
}

const rate = ({ samples, covered }) =>
  samples > 0 ? `${((100 * covered) / samples).toFixed(0)} % of ${samples}` : '';
console.log(
  `| patients | balanced accuracy, ${prevalence} | recall of severe, ${prevalence} |\n|---|---|---|`,
);
BINS.slice(0, -1).forEach((from, k) => {
  const to = BINS[k + 1] - 1;
  const name = to === from ? from : Number.isFinite(to) ? `${from} to ${to}` : `${from} or more`;
  console.log(`| ${name} | ${rate(coverage.accuracy[k])} | ${rate(coverage.severe[k])} |`);
});
