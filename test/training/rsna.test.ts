/** The five RSNA conditions in one run on phantoms: three series, two sides. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { LEVELS } from '#spinegrad/anatomy.js';
import { applyAffine } from '#spinegrad/data/affine.js';
import { type Bank, readBank } from '#spinegrad/data/bank.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { readPredictions } from '#spinegrad/evaluation/predictionsFile.js';
import { readModel } from '#spinegrad/model/readModel.js';
import type { Site } from '#spinegrad/model/sites.js';
import { generatePhantom } from '#spinegrad/phantom/generate.js';
import { PHANTOM_SERIES } from '#spinegrad/phantom/study.js';
import { predict } from '#spinegrad/predict/predict.js';
import { RSNA_TASKS } from '#spinegrad/tasks/rsna.js';
import { evaluateModel } from '#spinegrad/training/evaluateModel.js';
import type { SearchedSlice } from '#spinegrad/training/predictedPlaces.js';
import { cutPredictedSet } from '#spinegrad/training/predictedSet.js';
import { silent } from '#spinegrad/training/progress.js';
import { RoiDataset } from '#spinegrad/training/roiDataset.js';
import { evaluated, readSummary, temporaryFolder, trainHere } from './runs.js';

// The split of these seven studies: four for training, two for validation, one for testing.
const PHANTOM = {
  studies: 7,
  seed: 8,
  prevalence: 'enriched',
  slices: 1,
  series: [...PHANTOM_SERIES],
} as const;
const IDS = RSNA_TASKS.map(({ id }) => id);
const { signal } = new AbortController();

let data: string;
let dir: string;
let bank: Bank;
let sites: Site[];
let testStudy: string;

beforeAll(async () => {
  data = join(await temporaryFolder(), 'phantom');
  await generatePhantom({ ...PHANTOM, out: data });
  dir = await temporaryFolder();
  // The coordinate regression finds discs on any image; after these epochs they are about where discs are on average.
  const localization = { 'localization.network': 'regression', 'localization.epochs': 60 };
  await trainHere(dir, data, { tasks: IDS, ...localization });
  bank = await readBank(join(dir, 'bank'));
  ({ sites } = await readModel(dir));
  testStudy = bank.manifest.rois.find(({ split }) => split === 'test')!.studyId;
}, 600_000);

describe('a run on the five conditions', () => {
  it('has the score of the challenge for each arm and both kinds of crop', () => {
    const { rsna } = readSummary(dir);
    expect(rsna!.map(({ name }) => name)).toEqual(['scratch', 'frozen', 'contrastive']);
    for (const { predicted, annotated } of rsna!) {
      for (const { spinal, foraminal, subarticular, anySevereSpinal, score } of [predicted, annotated])
        expect(score).toBeCloseTo((spinal + foraminal + subarticular + anySevereSpinal) / 4, 10);
    }
  });

  it('records where each condition is graded, left of the midline for the left side', () => {
    expect(sites.map(({ series, side, tasks }) => [series, side, tasks])).toEqual(
      RSNA_TASKS.map(({ id, series, side }) => [series[0]!.name, side, [id]]),
    );
    for (const { side, offsetMm, discs } of sites) {
      const [x] = offsetMm!;
      if (side === null) expect([offsetMm, discs]).toEqual([[0, 0, 0], 0]);
      else expect(side === 'left' ? x : -x).toBeGreaterThan(5);
      if (side !== null) expect(discs).toBe(20);
    }
  });

  it('names the slice of each predicted crop in predictions.csv', async () => {
    const lines = await readPredictions(join(dir, 'predictions.csv'));
    for (const { id, side, series } of RSNA_TASKS) {
      const ofTask = lines.filter((line) => line.task === id && line.crops === 'predicted');
      expect(ofTask.length).toBeGreaterThan(0);
      const seriesId = bank.manifest.rois.find(
        (roi) => roi.studyId === testStudy && roi.side === side && roi.series === series[0]!.name,
      )!.seriesId;
      for (const { image } of ofTask) expect(image).toContain(`${testStudy}/${seriesId}/`);
    }
  });

  it('is evaluated again with the same numbers', async () => {
    const again = await evaluateModel({ model: dir, device: 'cpu', progress: silent, signal });
    expect(again).toMatchObject(evaluated(readSummary(dir)));
  });
});

it('places the conditions of found discs where they are annotated', async () => {
  using device = await openDevice('cpu', { threads: 1 });
  const dataset = new RoiDataset(device, bank, null);
  const searched = bank.manifest.slices
    .filter(({ split }) => split === 'test')
    .map((record) => ({
      record,
      pitchMm: 29,
      doubts: [],
      found: record.discs.map(({ level, centre }) => ({
        level,
        point: applyAffine(record.toImage, centre),
        levelProbability: 1,
      })),
    })) as unknown as SearchedSlice[];
  const { discs } = await cutPredictedSet(
    { progress: silent, signal },
    bank,
    dataset,
    searched,
    sites,
    'test',
  );
  expect(discs).toHaveLength(25);
  for (const { record, localizationMm, flags, image } of discs) {
    expect(flags).toEqual([]);
    expect(localizationMm).toBeLessThan(record.side === null ? 1e-6 : 8);
    // On sagittal slices the side is the slice.
    if (record.series === 'Sagittal T1') expect(Math.abs(slicesBetween(image, record.file))).toBeLessThan(2);
  }
  const unknown = await cutPredictedSet({ progress: silent, signal }, bank, dataset, searched, [], 'test');
  for (const { record, localizationMm, flags } of unknown.discs) {
    expect(flags).toEqual(record.side === null ? [] : ['not_placed']);
    expect(localizationMm === null).toBe(record.side !== null);
  }
  dataset.dispose();
});

const slicesBetween = (...files: [string, string]): number => {
  const [a, b] = files.map((file) => Number(/(\d+)\.dcm$/.exec(file)![1])) as [number, number];
  return a - b;
};

describe('predict with the five conditions', () => {
  const grade = async (input: string) => {
    using device = await openDevice('cpu', { threads: 1 });
    return (await predict(device, { input, model: dir })).prediction;
  };

  it('grades each side on its series, and states what it does not grade', async () => {
    const { levels, notGraded } = await grade(join(data, 'train_images', testStudy));
    expect(levels.map(({ level }) => level)).toEqual(LEVELS);
    for (const { level, grades } of levels) {
      const without = notGraded.filter((entry) => entry.level === level).map(({ task }) => task);
      // The regression may be too far from the slices of the axial series, which are around the discs.
      expect(without.every((id) => id.includes('subarticular'))).toBe(true);
      expect(grades.map(({ task }) => task)).toEqual(IDS.filter((id) => !without.includes(id)));
      for (const { task, side, image } of grades) {
        const { series, side: graded } = RSNA_TASKS.find(({ id }) => id === task)!;
        expect([side, image.series]).toEqual([graded, series[0]!.name]);
      }
      const [left, right] = ['left', 'right'].map(
        (side) => grades.find((one) => one.side === side)!.image.file,
      );
      expect(left).not.toBe(right);
    }
  });

  it('grades the other conditions if a series is missing, and gives the reason', async () => {
    const input = join(data, 'train_images', testStudy);
    const axial = bank.manifest.rois.find((roi) => roi.studyId === testStudy && roi.series === 'Axial T2')!;
    await rm(join(input, axial.seriesId), { recursive: true });
    const { levels, notGraded } = await grade(input);
    const reason = 'the study has no Axial T2 series';
    expect(notGraded).toEqual(IDS.slice(3).map((task) => ({ task, level: null, reason })));
    for (const { grades } of levels) expect(grades.map(({ task }) => task)).toEqual(IDS.slice(0, 3));
  });
});
