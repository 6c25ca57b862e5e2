import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatStudyCalibration } from '#spinegrad/study/calibrationFile.js';
import { formatCurves } from '#spinegrad/study/curvesFile.js';
import { readGroups } from '#spinegrad/study/groupsFile.js';
import { formatStudyPredictions, type StudyPrediction } from '#spinegrad/study/predictionsFile.js';
import { type StudyReportInput, writeStudyReport } from '#spinegrad/study/report.js';
import type { StudyFacts } from '#spinegrad/study/summarise.js';
import { studySummarySchema } from '#spinegrad/study/types.js';
import { worstErrors } from '#spinegrad/study/worstErrors.js';
import { RSNA_TASKS } from '#spinegrad/tasks/rsna.js';
import { MODIC, PFIRRMANN } from '../tasks/examples.js';
import {
  calibrateSimulation,
  GRADIENT,
  simulateCurves,
  simulateEmbeddings,
  simulateStudy,
} from './simulate.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spinegrad-study-'));
});
afterAll(() => rm(directory, { recursive: true }));

const read = (name: string) => readFile(join(directory, name), 'utf8');

/** Writes the predictions and the report. */
async function report(
  facts: StudyFacts,
  lines: readonly StudyPrediction[],
  more: Partial<StudyReportInput> = {},
) {
  const namesOf = (id: string) => facts.tasks.find((task) => task.id === id)!.grades.map(({ name }) => name);
  await writeFile(join(directory, 'predictions.csv'), formatStudyPredictions(lines, namesOf));
  const resampling = { seed: 1, resamples: 50, permutations: 50 };
  return await writeStudyReport(directory, {
    ...{ ...facts, resampling, config: { folds: 4, note: '<b>' } },
    ...more,
  });
}

describe('the report of a study', () => {
  it('is a page that loads nothing, with figures, summary and documents', async () => {
    const { facts, lines } = simulateStudy({ tasks: [PFIRRMANN, MODIC] });
    const summary = await report(facts, lines);
    expect(studySummarySchema.parse(JSON.parse(await read('summary.json')))).toEqual(summary);
    const page = await read('report.html');
    expect(page.match(/(?:src|href)="(?!#)|@import|url\(|<script|<link/)).toBeNull();
    expect(page.match(/NaN|undefined|\[object|Infinity/)).toBeNull();
    expect(page).not.toContain('SYNTHETIC');
    expect(page).not.toContain('not finished');
    expect(page).toContain('&lt;b&gt;');
    const { value } = summary.tasks[0]!.blocks.at(-2)!.arms[1]!.metrics.balancedAccuracy;
    expect(page).toContain(`<dd class="value">${value!.toFixed(3)}</dd>`);
    const parts = ['arms', 'confusion', 'labels', 'reliability'];
    expect(await readdir(join(directory, 'figures'))).toEqual([
      ...parts.map((part) => `test_modic-${part}.svg`),
      ...parts.map((part) => `test_pfirrmann-${part}.svg`),
    ]);
    expect(await readdir(directory)).not.toContain('submission-scratch.csv');
  });

  it('states what is missing if the cells kept no validation discs, embeddings and crops', async () => {
    const { facts, lines } = simulateStudy({ labels: [1] });
    const calibrated = calibrateSimulation(lines, facts);
    await report(facts, calibrated.lines);
    const page = await read('report.html');
    expect(page).toContain('The pooled calibration is missing');
    expect(page).toContain('own validation fold');
    expect(page).not.toContain('pooled, ');
    expect(page).toContain('There is no map of the embeddings');
    expect(page).toContain('No crop is shown');
    expect(page).not.toContain('Length of fine-tuning');
    await report(facts, lines);
    expect(await read('report.html')).not.toContain('Temperature and conformal sets');
  });

  it('shows calibration, ensembles, curves, maps and crops if the cells kept them', async () => {
    const { facts, lines: raw } = simulateStudy({ tasks: [PFIRRMANN, MODIC] });
    const { lines, calibration } = calibrateSimulation(raw, facts);
    await writeFile(join(directory, 'calibration.csv'), formatStudyCalibration(calibration));
    await writeFile(join(directory, 'curves.csv'), formatCurves(simulateCurves(facts.cells)));
    const scanners = new Map(
      Array.from({ length: 40 }, (_, i) => [
        `p${i}`,
        { scanner: ['<A>', 'B', null][i % 3]!, fieldStrength: null },
      ]),
    );
    const summary = await report(facts, lines, {
      groups: scanners,
      embeddings: simulateEmbeddings(lines, facts),
      cropOf: async (task, { study }) => (task === MODIC.id && study === 'p3' ? null : GRADIENT),
    });
    expect(studySummarySchema.parse(JSON.parse(await read('summary.json')))).toEqual(summary);
    const page = await read('report.html');
    expect(page.match(/NaN|undefined|\[object|Infinity/)).toBeNull();
    expect(page.match(/pooled, 150 discs/g)).toHaveLength(2 * 2 * 2);
    expect(page.match(/ensemble of 2/g)).toHaveLength(2 * 2 * 2);
    const { curves, embeddings } = summary;
    expect(curves.map(({ labels, arms }) => [labels, arms.length])).toEqual([
      [0.25, 2],
      [1, 2],
    ]);
    // 0.5 + 0.3 (1 - 2^-5) + 0.015 at the end; the mean first has 95 % of it at the fourth epoch.
    expect(curves[1]!.arms[0]!.stepsTo95).toBe(40);
    expect(page.match(/class="band /g)).toHaveLength(4);
    for (const { grades, scanners: same } of embeddings) {
      expect(grades!.observed).toBeGreaterThan(grades!.chance + 0.3);
      expect(Math.abs(same!.observed - same!.chance)).toBeLessThan(0.2);
    }
    expect(page).toContain('The same maps by scanner. Circle: &lt;A&gt;; triangle: B. Grey: unknown.');
    expect(page.match(/data:image\/png;base64,/g)!.length).toBeGreaterThan(12);
    const figures = await readdir(join(directory, 'figures'));
    expect(figures).toEqual(
      expect.arrayContaining([
        'length-validation.svg',
        'map-grades.svg',
        'map-scanners.svg',
        'test_modic-errors.svg',
        'test_pfirrmann-errors.svg',
      ]),
    );
    const map = await read('figures/map-grades.svg');
    await report(facts, lines, { groups: scanners, embeddings: simulateEmbeddings(lines, facts) });
    expect(await read('figures/map-grades.svg')).toBe(map);
    for (const name of ['calibration.csv', 'curves.csv']) await rm(join(directory, name));
    await rm(join(directory, 'figures'), { recursive: true });
  });

  it('answers what it knows in the checklists and marks the rest open', async () => {
    const { facts, lines } = simulateStudy({ labels: [1] });
    await report({ ...facts, arms: facts.arms.map((arm) => ({ ...arm, description: 'a | b' })) }, lines);
    for (const [name, items] of [
      ['CLAIM.md', 44],
      ['TRIPOD+AI.md', 52],
    ] as const) {
      const text = await read(name);
      const rows = text.match(/^\| \d+[a-g]? \|.*\|$/gm)!;
      expect(rows, name).toHaveLength(items);
      expect(text).toContain(`of ${items} items`);
      for (const row of rows) expect(row.replaceAll('\\|', '').split('|'), row).toHaveLength(5);
      expect(text).toMatch(/\| (44|18a) \| Funding \| \*\*open\*\* \|/);
      expect(text).toContain('4 folds, 2 repeats');
      expect(text).not.toMatch(/undefined|NaN|null/);
    }
    const card = await read('MODEL_CARD.md');
    expect(card).toContain('# Model card: A study');
    expect(card).toMatch(/contrastive − scratch: \+0\.\d{3}/);
  });

  it('states which cells are missing, and what data are synthetic', async () => {
    const { facts, lines } = simulateStudy({ labels: [1] });
    const some = lines.filter(
      ({ fold, repeat, arm }) => !(fold === 2 && repeat === 1 && arm === 'contrastive'),
    );
    await report({ ...facts, data: { ...facts.data, synthetic: true } }, some);
    const page = await read('report.html');
    expect(page).toContain('missing are 1 of 16 cells');
    expect(page).toContain('contrastive, 100 % of the labels, repeat 1, fold 2');
    expect(page).toContain('7 of 8');
    expect(page).toContain('SYNTHETIC DATA');
    expect(await read('MODEL_CARD.md')).toContain('missing are 1 cell.');
  });

  it('without any finished cell has a page without results', async () => {
    const { facts } = simulateStudy();
    await report(facts, []);
    expect(await read('report.html')).toContain('missing are 32 of 32 cells');
  });

  it('of all RSNA conditions has the score and a submission per arm', async () => {
    const { facts, lines } = simulateStudy({ tasks: RSNA_TASKS, labels: [0.5, 1], patients: 12 });
    await report(facts, lines);
    expect(await read('report.html')).toContain('Score of the RSNA 2024 challenge');
    const rows = (await read('submission-contrastive.csv')).trimEnd().split('\n');
    expect(rows[0]).toBe('row_id,normal_mild,moderate,severe');
    expect(rows).toHaveLength(1 + 12 * 25);
    const row = rows.find((line) => line.startsWith('p3_left_neural_foraminal_narrowing_l4_l5,'))!;
    const own = lines.filter(
      ({ task, study, level, arm, labels, crops }) =>
        task === 'rsna/left_neural_foraminal_narrowing' &&
        `${study} ${level} ${arm} ${labels} ${crops}` === 'p3 L4/L5 contrastive 1 predicted',
    );
    const probabilities = row.split(',').slice(1).map(Number);
    expect(own).toHaveLength(2);
    probabilities.forEach((p, grade) => {
      expect(p).toBeCloseTo((own[0]!.probabilities[grade]! + own[1]!.probabilities[grade]!) / 2, 12);
    });
  });
});

describe('groups.csv', () => {
  it.each([
    [
      'a table',
      'study,scanner,field_strength\np1,A,1.5\np2,,3\np3,A,\np4,A,3\np4,B,3\n',
      {
        p1: { scanner: 'A', fieldStrength: '1.5 T' },
        p2: { scanner: null, fieldStrength: '3 T' },
        p3: { scanner: 'A', fieldStrength: null },
        p4: { scanner: null, fieldStrength: '3 T' },
      },
    ],
    [
      "SPIDER's overview.csv",
      'new_file_name,sex,Manufacturer,ManufacturerModelName,MagneticFieldStrength\n' +
        '7_t1,F,Philips Healthcare,Ingenia,3.0\n7_t2_SPACE,F,Philips Medical Systems,Ingenia,3.0\n',
      { 7: { scanner: 'Philips Ingenia', fieldStrength: '3 T' } },
    ],
  ])('is %s', async (_, text, expected) => {
    const path = join(directory, 'groups.csv');
    await writeFile(path, text);
    expect(Object.fromEntries(await readGroups(path))).toEqual(expected);
    await rm(path);
  });

  it('names the line of a field strength that is not a number', async () => {
    const path = join(directory, 'wrong.csv');
    await writeFile(path, 'study,scanner,field_strength\np1,A,high\n');
    await expect(readGroups(path)).rejects.toThrow(/line 2: found the field strength 'high'/);
  });

  it('in the folder of a study adds results by scanner to its report', async () => {
    const { facts, lines } = simulateStudy({ labels: [1], crops: ['predicted'] });
    const path = join(directory, 'groups.csv');
    const rows = Array.from({ length: 40 }, (_, i) => `p${i},${i % 2 ? 'Avanto' : 'Ingenia'},1.5`);
    await writeFile(path, `study,scanner,field_strength\n${rows.join('\n')}\n`);
    const { tasks } = await report(facts, lines);
    expect(tasks[0]!.groups!.map(({ value, patients }) => [value, patients])).toEqual([
      ['Avanto', 20],
      ['Ingenia', 20],
    ]);
    expect(await read('report.html')).toContain('Scanners and field strengths');
    await rm(path);
  });
});

describe('the largest errors', () => {
  const { lines } = simulateStudy({ labels: [1], arms: { scratch: 0.8 }, crops: ['predicted'] });

  it('are wrong by the mean probabilities, with the most distant grades first', () => {
    const errors = worstErrors(lines, true, 30);
    expect(errors).toHaveLength(30);
    const distances = errors.map(({ truth, predicted }) => Math.abs(truth - predicted));
    expect(distances).toEqual([...distances].sort((a, b) => b - a));
    expect(Math.min(...distances)).toBeGreaterThan(0);
    const { study, disc, probabilities } = errors[0]!;
    const own = lines.filter((line) => line.study === study && line.level === disc);
    expect(own).toHaveLength(2);
    expect(probabilities[0]).toBeCloseTo((own[0]!.probabilities[0]! + own[1]!.probabilities[0]!) / 2, 12);
  });

  it('of nominal grades are ordered by the probability of the true grade', () => {
    const p = worstErrors(lines, false, 30).map(({ probabilities, truth }) => probabilities[truth]!);
    expect(p).toEqual([...p].sort((a, b) => a - b));
  });
});
