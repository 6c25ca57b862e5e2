import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
  it('writes a well-formed page that loads nothing, and four figures', async () => {
    const path = await writeReport(directory, simulatedRun());
    const page = await readFile(path, 'utf8');
    expectBalanced(page);
    expect(page.match(/(?:src|href)="(?!data:image\/png;base64,)/)).toBeNull();
    expect(page.match(/@import|url\(|<script|<link|<iframe/)).toBeNull();
    expect(withoutImages(page).match(/NaN|undefined|\[object|Infinity/)).toBeNull();
    expect(await readdir(join(directory, 'figures'))).toEqual([
      'finetuning.svg',
      'predictions.svg',
      'pretraining.svg',
      'rois.svg',
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

  it('shows the published numbers and k of n', () => {
    const input = simulatedRun();
    const page = renderReport(input);
    const { k, n } = input.summary.arms[2]!.annotated.mostSevereAsMildest!;
    for (const text of ['0.781', '2.13 %', '5.32 %', '10.18', 'arXiv 2602.05738', `${k} of ${n}`]) {
      expect(page.includes(text), text).toBe(true);
    }
  });

  it('escapes all text from the data', () => {
    const hostile = '<script>alert("x")</script>&\u0001\'';
    const input = simulatedRun({ name: hostile });
    input.summary.preset = hostile;
    input.summary.device = hostile;
    input.summary.data.skipped = [{ path: hostile, code: hostile, message: hostile }];
    input.summary.timing[hostile] = 1;
    input.summary.localization.perLevel[hostile] = input.summary.localization.perLevel['L1/L2']!;
    input.summary.comparisons[0]!.a = hostile;
    input.roiExamples[0]!.studyId = hostile;
    input.roiExamples[0]!.discs[0]!.level = hostile;
    input.predictionExamples[0]!.studyId = hostile;
    input.predictionExamples[0]!.discs[0]!.level = hostile;
    input.config[hostile] = hostile;
    const page = renderReport(input);
    expect(page.includes('<script')).toBe(false);
    expect(page.includes('\u0001')).toBe(false);
    expectBalanced(page);
  });

  it('is complete without images, curves, comparisons and severe discs', () => {
    const input = simulatedRun();
    const { summary } = input;
    for (const arm of summary.arms) {
      for (const metrics of [arm.annotated, arm.predicted]) {
        Object.assign(metrics, { auroc: null, auprc: null, kappa: null });
        metrics.recall.severe = null;
        metrics.patientsPerGrade.severe = 0;
        metrics.mostSevereAsMildest = { k: 0, n: 0, rate: null, low: null, high: null };
        metrics.intervals.auroc = null;
      }
    }
    summary.comparisons = [];
    summary.pretraining = { epochs: 0, trainLoss: [], validationLoss: [], learningRate: [] };
    summary.localization = {
      rmsePx: null,
      rmseMm: null,
      medianMm: null,
      n: 0,
      found: 0,
      within5Mm: null,
      within10Mm: null,
      perLevel: {},
    };
    Object.assign(input, { finetuning: [], roiExamples: [], predictionExamples: [] });
    const page = renderReport(input);
    expectBalanced(page);
    expect(page.includes('Figure 1 is omitted'), 'Figure 1 is omitted').toBe(true);
    expect(page.match(/NaN|undefined|Infinity|null/)).toBeNull();
    expect(formatSummary(summary)).not.toMatch(/NaN|undefined|null/);
  });

  it('prints no interval for too few patients, and names the missing grade', () => {
    const { summary, ...input } = simulatedRun();
    for (const arm of summary.arms) {
      for (const metrics of [arm.annotated, arm.predicted]) {
        Object.assign(metrics.balancedAccuracy, { low: null, high: null });
        const none = { kappa: null, auroc: null, auprc: null, ece: null, weightedLogLoss: null };
        metrics.intervals = { ...none, recall: { normal: null, moderate: null, severe: null } };
        metrics.recall.severe = null;
        metrics.patients = 1;
        metrics.patientsPerGrade = { normal: 1, moderate: 1, severe: 0 };
      }
    }
    for (const comparison of summary.comparisons) {
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
    const input = simulatedRun({ task });
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
    expect(page.includes(`Grading of ${task.title} at 4 lumbar levels`), 'title').toBe(true);
    expect(page.includes(`${last} predicted as ${first}`)).toBe(task.ordered);
    expect(page.includes('quadratic')).toBe(task.ordered);
    expect(page.includes('mean AUROC')).toBe(!task.ordered);
    expect(text.includes(`${last}→${first}`)).toBe(task.ordered);
    for (const grade of names.keys()) expect(page.includes(`.grade-${grade} {`), `${grade}`).toBe(true);
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
