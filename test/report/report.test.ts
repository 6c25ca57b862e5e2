import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { summariseLocalization } from '#spinegrad/evaluation/localization.js';
import { formatSummary } from '#spinegrad/report/console.js';
import { exponentialMovingAverage } from '#spinegrad/report/figures/finetuning.js';
import { markup } from '#spinegrad/report/markup.js';
import { renderReport, writeReport } from '#spinegrad/report/report.js';
import { HERNIATION, MODIC, PFIRRMANN } from '../tasks/examples.js';
import { simulatedRun } from './fixture.js';

/** Throws unless the elements are nested and closed as in XML. */
function expectBalanced(text: string) {
  const open: string[] = [];
  const body = text.replace(/<!DOCTYPE[^>]*>/, '').replace(/<style>[\s\S]*?<\/style>/g, '');
  for (const [tag, close, name, rest] of body.matchAll(/<(\/?)([a-zA-Z][\w-]*)((?:[^<>"]|"[^"<]*")*)>/g)) {
    if (close) expect(open.pop(), tag).toBe(name);
    else if (!rest!.endsWith('/')) open.push(name!);
  }
  expect(open).toEqual([]);
  const stray = body.replace(/<(\/?)([a-zA-Z][\w-]*)((?:[^<>"]|"[^"<]*")*)>/g, '');
  expect(stray.match(/[<>]/)).toBeNull();
  expect(stray.match(/&(?!amp;|lt;|gt;|quot;|#39;)/)).toBeNull();
}

const withoutImages = (text: string) => text.replace(/data:image\/png;base64,[^"]*/g, '');

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spinegrad-report-'));
});
afterAll(() => rm(directory, { recursive: true }));

describe('writeReport', () => {
  it('writes a well-formed page that loads nothing, and its figures', async () => {
    const path = await writeReport(directory, simulatedRun());
    const page = await readFile(path, 'utf8');
    expectBalanced(page);
    expect(page.match(/(?:src|href)="(?!data:image\/png;base64,)/)).toBeNull();
    expect(page.match(/@import|url\(|<script|<link|<iframe/)).toBeNull();
    expect(withoutImages(page).match(/NaN|undefined|\[object|Infinity/)).toBeNull();
    expect(await readdir(join(directory, 'figures'))).toEqual([
      'localization.svg',
      'pretraining.svg',
      'rsna_spinal_canal_stenosis-errors.svg',
      'rsna_spinal_canal_stenosis-finetuning.svg',
      'rsna_spinal_canal_stenosis-predictions.svg',
      'rsna_spinal_canal_stenosis-rois.svg',
      'rsna_spinal_canal_stenosis-saliency.svg',
    ]);
    for (const name of await readdir(join(directory, 'figures'))) {
      const figure = await readFile(join(directory, 'figures', name), 'utf8');
      expectBalanced(figure);
      expect(figure).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 \d/);
      expect(withoutImages(figure).match(/NaN|undefined/)).toBeNull();
    }
  });

  it('names a folder that cannot be written', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    await expect(writeReport(file, simulatedRun())).rejects.toMatchObject({
      code: 'ERR_WRITE',
      message: expect.stringContaining(file),
    });
  });
});

describe('the page', () => {
  it('has the banner if and only if the data is synthetic', () => {
    const synthetic = renderReport(simulatedRun({ synthetic: true }));
    const real = renderReport(simulatedRun({ synthetic: false }));
    expect(synthetic.includes('SYNTHETIC DATA'), 'SYNTHETIC DATA').toBe(true);
    expect(synthetic.includes('not comparable with this run'), 'not comparable with this run').toBe(true);
    expect(real.match(/synthetic/i)).toBeNull();
  });

  it('has the numbers of predicted crops in the headline, and annotated ones next to them', () => {
    const input = simulatedRun();
    const page = renderReport(input);
    const { predicted, annotated } = input.summary.tasks[0]!.arms[2]!;
    const tiles = page.slice(page.indexOf('<dl'), page.indexOf('</dl>'));
    const value = predicted.balancedAccuracy.value.toFixed(3);
    expect(tiles).toContain(`contrastive</dt><dd class="value">${value}</dd>`);
    expect(tiles).toContain(`annotated crops: ${annotated.balancedAccuracy.value.toFixed(3)}`);
    const { k, n } = predicted.mostSevereAsMildest!;
    expect(tiles).toContain(`<dd class="value">${k} of ${n}</dd>`);
    expect(page.indexOf('<td>predicted</td>')).toBeLessThan(page.indexOf('<td>annotated</td>'));
  });

  it.each([
    ['on the phantom', { synthetic: true }, true],
    ['on another folder', { synthetic: false }, false],
    ['for another task', { synthetic: true, tasks: [PFIRRMANN] }, false],
  ])('shows published results %s', (_, options, shown) => {
    const page = renderReport(simulatedRun(options));
    const texts = ['0.781', '2.13 %', '5.32 %', '10.18', 'arXiv 2602.05738'];
    for (const text of shown ? texts : ['2.13 %', 'arXiv']) expect(page.includes(text), text).toBe(shown);
  });

  it('shows published results on RSNA data', () => {
    const input = simulatedRun({ synthetic: false });
    input.summary.data.layout = 'rsna';
    expect(renderReport(input).includes('arXiv 2602.05738'), 'published').toBe(true);
  });

  it('states program, commit, date, data set and its terms', () => {
    const input = simulatedRun();
    for (const text of [
      'spinegrad 0.1.0, commit a692774a6927, 2026-11-29',
      'Data set phantom (layout rsna)',
      'Terms of the data.',
    ]) {
      expect(renderReport(input).includes(text), text).toBe(true);
    }
    input.summary.program.commit = 'unknown';
    expect(renderReport(input).includes('commit'), 'commit').toBe(false);
  });

  it('lists what was skipped, corrected or assumed', () => {
    const page = renderReport(simulatedRun());
    expect(page.includes('2 × <code>ERR_SERIES_EMPTY</code>')).toBe(true);
    expect(page.includes('Corrected or assumed: 1 × <code>ERR_SPACING_REPLACED</code>')).toBe(true);
  });

  it('shows the worst errors with study, level and both grades', () => {
    const page = renderReport(simulatedRun());
    const errors = page.slice(page.indexOf('Errors 1 to 6'), page.indexOf('Predictions on test series'));
    for (const text of [
      'Errors 7 to 8',
      'L1/L2 1000',
      '>severe<',
      '>normal 0.80<',
      '9 mm off',
      'not found',
    ]) {
      expect(errors.includes(text), text).toBe(true);
    }
    const localization = page.slice(page.indexOf('id="localization"'));
    expect(localization.includes('Study 1007, Sagittal T1, doubtful'), 'slice').toBe(true);
    expect(localization.includes('L5/S1: not found'), 'not found').toBe(true);
  });

  it('escapes all text from the data', () => {
    const hostile = '<script>alert("x")</script>&\u0001\'';
    const input = simulatedRun({ name: hostile });
    input.summary.preset = hostile;
    input.summary.device = hostile;
    input.summary.data.skipped = [{ path: hostile, code: hostile, message: hostile }];
    input.summary.data.notices = input.summary.data.skipped;
    input.summary.timing[hostile] = 1;
    input.summary.localization.perLevel[hostile] = input.summary.localization.perLevel['L1/L2']!;
    input.summary.localization.perSeries[hostile] = input.summary.localization;
    input.summary.tasks[0]!.comparisons.predicted[0]!.a = hostile;
    input.summary.program = { version: hostile, commit: hostile, date: hostile };
    input.summary.data.name = hostile;
    input.notice = hostile;
    input.tasks[0]!.roiExamples[0]!.studyId = hostile;
    input.tasks[0]!.roiExamples[0]!.discs[0]!.level = hostile;
    input.tasks[0]!.predictionExamples[0]!.studyId = hostile;
    input.tasks[0]!.predictionExamples[0]!.discs[0]!.level = hostile;
    input.tasks[0]!.gradingErrors[0]!.studyId = hostile;
    input.localizationExamples[0]!.studyId = hostile;
    input.localizationExamples[0]!.series = hostile;
    input.config[hostile] = hostile;
    const page = renderReport(input);
    expect(page.includes('<script')).toBe(false);
    expect(page.includes('\u0001')).toBe(false);
    expectBalanced(page);
  });

  it('is complete without images, curves, comparisons and severe discs', () => {
    const input = simulatedRun();
    const { summary } = input;
    for (const arm of summary.tasks[0]!.arms) {
      for (const metrics of [arm.annotated, arm.predicted]) {
        Object.assign(metrics, { auroc: null, auprc: null, kappa: null });
        metrics.recall.severe = null;
        metrics.patientsPerGrade.severe = 0;
        metrics.mostSevereAsMildest = { k: 0, n: 0, rate: null, low: null, high: null };
        metrics.intervals.auroc = null;
      }
    }
    summary.tasks[0]!.comparisons = { predicted: [], annotated: [] };
    summary.pretraining = {
      epochs: 0,
      trainLoss: [],
      validationLoss: [],
      learningRate: [],
      alignment: [],
      uniformity: [],
      probes: [],
    };
    summary.localization = summariseLocalization([]);
    for (const arm of summary.tasks[0]!.arms) arm.trust = null;
    const saliency = { right: [], wrong: [] };
    const tasks = [{ curves: [], roiExamples: [], predictionExamples: [], gradingErrors: [], saliency }];
    Object.assign(input, { tasks, localizationExamples: [] });
    const page = renderReport(input);
    expectBalanced(page);
    expect(page.includes('Figure 2 is omitted'), 'Figure 2 is omitted').toBe(true);
    expect(page.match(/NaN|undefined|Infinity|null/)).toBeNull();
    expect(formatSummary(summary)).not.toMatch(/NaN|undefined|null/);
  });

  it('has a table of calibration, sets and novelty for each arm', () => {
    const input = simulatedRun();
    const page = renderReport(input);
    const { sets, calibration, novel } = input.summary.tasks[0]!.arms[0]!.trust!;
    const change = `${calibration.before.logLoss.toFixed(3)} → ${calibration.after.logLoss.toFixed(3)}`;
    expect(page).toContain(change);
    expect(page).toContain(`>${sets.coveragePerGrade.severe!.k} of ${sets.coveragePerGrade.severe!.n}<`);
    expect(page).toContain(`>${novel.k} of ${novel.n}<`);
    expect(page).toContain('the true grade of 90 % of the discs');
    for (const arm of input.summary.tasks[0]!.arms) arm.trust = null;
    expect(renderReport(input)).not.toContain('Calibration, sets and novelty');
  });

  it('prints no interval for too few patients, and names the missing grade', () => {
    const { summary, ...input } = simulatedRun();
    for (const arm of summary.tasks[0]!.arms) {
      for (const metrics of [arm.annotated, arm.predicted]) {
        Object.assign(metrics.balancedAccuracy, { low: null, high: null });
        const none = { kappa: null, auroc: null, auprc: null, ece: null, weightedLogLoss: null };
        metrics.intervals = { ...none, recall: { normal: null, moderate: null, severe: null } };
        metrics.recall.severe = null;
        metrics.patients = 1;
        metrics.patientsPerGrade = { normal: 1, moderate: 1, severe: 0 };
      }
    }
    const { comparisons } = summary.tasks[0]!;
    for (const comparison of [...comparisons.predicted, ...comparisons.annotated]) {
      comparison.p = null;
      Object.assign(comparison.difference, { low: null, high: null });
    }
    const page = renderReport({ ...input, summary });
    const text = formatSummary(summary);
    const missing =
      'The test set has no disc graded severe. Balanced accuracy is the mean recall of normal and moderate; chance is 0.50.';
    for (const output of [page, text]) {
      expect(withoutImages(output)).not.toMatch(/NaN|undefined|null|p [=<]/);
      expect(output.includes('—, too few patients'), 'too few').toBe(true);
      expect(output.includes(missing), 'missing grade').toBe(true);
    }
    expect(page.includes('chance 0.50'), 'chance').toBe(true);
    expect(page.includes('1 patient<'), 'patients').toBe(true);
    expect(text).toMatch(/contrastive − scratch: [+−]0\.\d{3} \(—, too few patients\)$/m);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  it.each([PFIRRMANN, HERNIATION, MODIC])('uses the words of the task: $title', (task) => {
    const input = simulatedRun({ tasks: [task] });
    input.summary.data = { ...input.summary.data, layout: 'table', name: 'clinic' };
    const page = renderReport(input);
    const text = formatSummary(input.summary);
    expectBalanced(page);
    expect(withoutImages(page).match(/NaN|undefined|\[object|Infinity/)).toBeNull();
    expect(
      withoutImages(page).match(/severe|moderate|stenosis|canal|RSNA|2602\.05738/i)?.[0],
    ).toBeUndefined();
    expect(text.match(/severe|moderate|NaN|undefined/)).toBeNull();
    const names = task.grades.map(({ name }) => name);
    const [first, last] = [names[0], names.at(-1)];
    for (const name of names) expect(page.includes(`recall ${name}<`), name).toBe(true);
    expect(page.includes(`Grading of ${task.title} from Sagittal T2 MRI`), 'title').toBe(true);
    expect(page.includes(`${last} predicted as ${first}`)).toBe(task.ordered);
    expect(page.includes('quadratic')).toBe(task.ordered);
    expect(page.includes('mean AUROC')).toBe(!task.ordered);
    expect(text.includes(`${last}→${first}`)).toBe(task.ordered);
    for (const grade of names.keys()) expect(page.includes(`.grade-${grade} {`), `${grade}`).toBe(true);
  });

  it('has a section per task, with the colours of its grades, and one table of all tasks', () => {
    const input = simulatedRun({ tasks: [PFIRRMANN, HERNIATION, MODIC] });
    const page = renderReport(input);
    expectBalanced(page);
    expect(page.includes('Grading of Pfirrmann grade, Disc Herniation and Modic Changes'), 'title').toBe(
      true,
    );
    for (const [i, { title }] of [PFIRRMANN, HERNIATION, MODIC].entries()) {
      expect(page.includes(`<a href="#task-${i + 1}">${title}</a>`), title).toBe(true);
      expect(page.includes(`<section id="task-${i + 1}" class="scale-${i}">`), title).toBe(true);
      expect(page.includes(`.scale-${i} .grade-1 {`), title).toBe(true);
    }
    const lines = formatSummary(input.summary).split('\n');
    for (const title of ['Pfirrmann grade', 'Disc Herniation', 'Modic Changes'])
      expect(lines.filter((line) => line.startsWith(`  ${title}`) && line.includes('scratch'))).toHaveLength(
        1,
      );
    expect(lines.filter((line) => /^ +contrastive +[\d.]+ \(/.test(line))).toHaveLength(3);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120);
  });

  it('shows the score of the RSNA challenge if the summary has one', () => {
    const input = simulatedRun();
    expect(renderReport(input).includes('RSNA 2024 challenge')).toBe(false);
    const parts = { spinal: 0.31, foraminal: 0.52, subarticular: 0.63, anySevereSpinal: 0.24, score: 0.4251 };
    input.summary.rsna = [{ name: 'scratch', predicted: parts, annotated: { ...parts, score: 0.4049 } }];
    const page = renderReport(input);
    expectBalanced(page);
    for (const text of ['RSNA 2024 challenge', '>0.425<', '>0.405<', '>0.520<']) {
      expect(page.includes(text), text).toBe(true);
    }
    expect(formatSummary(input.summary)).toContain('RSNA score, scratch: 0.425 (annotated crops: 0.405)');
  });

  it('is the same for the same input', () => {
    const input = simulatedRun();
    expect(renderReport(input)).toBe(renderReport(input));
  });
});

describe('formatSummary', () => {
  it('is a table that fits a terminal', () => {
    const text = formatSummary(simulatedRun().summary);
    const lines = text.split('\n');
    expect(lines[0]).toMatch(/^SYNTHETIC DATA/);
    expect(lines.length).toBeLessThan(20);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(text).toMatch(/contrastive − scratch: [+−]\d/);
  });
});

describe('parts', () => {
  it('templates escape values and keep markup', () => {
    const inner = markup`<b>${'a < b'}</b>`;
    expect(markup`<p title="${'"'}">${[inner, 1.23456, null, false]}</p>`.text).toBe(
      '<p title="&quot;"><b>a &lt; b</b>1.23</p>',
    );
  });

  it('the moving average is unbiased at its start and keeps null values and constants', () => {
    expect(exponentialMovingAverage([0.4, null, 0.4])).toEqual(
      [0.4, null, 0.4].map((v) => v && expect.closeTo(v, 12)),
    );
    const [first, second] = exponentialMovingAverage([1, 0]);
    expect(first).toBeCloseTo(1, 12);
    expect(second).toBeCloseTo(0.7 / 1.7, 12);
  });
});
