/** The crops at predicted centres: every graded test disc has one, whatever the localizer found. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LEVELS, type Level, type Point } from '#spinegrad/anatomy.js';
import { type Bank, prepareBank, readBank } from '#spinegrad/data/bank.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import type { SearchedSlice } from '#spinegrad/training/predictedPlaces.js';
import { cutPredictedSet, type PredictedSet } from '#spinegrad/training/predictedSet.js';
import { silent } from '#spinegrad/training/progress.js';
import { RoiDataset } from '#spinegrad/training/roiDataset.js';
import { centreOf, ROWS, tinyLayout } from '../data/layout.js';
import { temporaryFolder } from './runs.js';

let device: Device;
let bank: Bank;
let dataset: RoiDataset;

beforeAll(async () => {
  device = await openDevice('cpu', { threads: 1 });
  const out = await temporaryFolder();
  await prepareBank({
    data: await tinyLayout([{ studyId: '1' }, { studyId: '2', labels: { 4: '' } }]),
    out,
    roi: { size: 16, mode: 'mm', extentMm: 8, neighbours: 0 },
    sliceSize: 32,
    split: { seed: 0, fractions: { train: 0, validation: 0, test: 1 } },
  });
  bank = await readBank(out);
  dataset = new RoiDataset(device, bank, null);
});
afterAll(() => {
  dataset.dispose();
  device.close();
});

/** Slices on which the localizer found the levels of `found`; `move` is added to the annotated centres. */
function searched(found: (studyId: string) => readonly Level[], move: Point = [0, 0]): SearchedSlice[] {
  return bank.manifest.slices.map((record) => ({
    record,
    pitchMm: 36,
    found: found(record.studyId).map((level) => {
      const [x, y] = centreOf(LEVELS.indexOf(level as (typeof LEVELS)[number]));
      return { level, point: [x + move[0], y + move[1]], probability: 0.9, levelProbability: 0.8 };
    }),
    doubts: ['a doubt'],
  })) as unknown as SearchedSlice[];
}

const cut = (slices: readonly SearchedSlice[]) =>
  cutPredictedSet(
    { progress: silent, signal: new AbortController().signal },
    bank,
    dataset,
    slices,
    [],
    'test',
  );

const row = ({ crops: { pixels, size } }: PredictedSet, index: number) =>
  pixels.subarray(index * size ** 2, (index + 1) * size ** 2);

it('cuts the same crops as the bank at the annotated centres', async () => {
  const test = await cut(searched(() => LEVELS));
  expect(test.discs).toHaveLength(9); // one disc of study 2 has no grade
  for (const [index, { disc, centre, localizationMm, levelProbability, flags }] of test.discs.entries()) {
    expect(row(test, index)).toEqual(bank.rois.subarray(disc.row * 256, (disc.row + 1) * 256));
    expect(centre).toEqual(centreOf(LEVELS.indexOf(disc.level as (typeof LEVELS)[number])));
    expect(localizationMm).toBeCloseTo(0, 10);
    expect([levelProbability, flags]).toEqual([0.8, ['a doubt']]);
  }
});

it('states the distance from the annotated centre in mm', async () => {
  const { discs } = await cut(searched(() => LEVELS, [3, 4]));
  for (const { localizationMm, record } of discs)
    expect(localizationMm).toBeCloseTo(5 * record.pixelSpacing[0], 10);
});

it('cuts a disc that was not found between its neighbours, and flags it', async () => {
  const { discs } = await cut(searched(() => ['L1/L2', 'L2/L3', 'L4/L5']));
  const missing = discs.find(({ disc }) => disc.level === 'L3/L4')!;
  expect(missing.centre[0]).toBeCloseTo(20.5, 10);
  expect(missing.centre[1]).toBeCloseTo(24, 10);
  expect(missing).toMatchObject({
    localizationMm: null,
    levelProbability: null,
    flags: ['a doubt', 'not_found'],
  });
});

it('places the centres of another series if the localizer did not search that of the disc', async () => {
  const onOther = searched(() => LEVELS).map((slice) => ({
    ...slice,
    record: { ...slice.record, seriesId: 'other', series: 'Other' },
  }));
  const test = await cut(onOther);
  for (const { disc, centre, localizationMm, flags } of test.discs) {
    const [x, y] = centreOf(LEVELS.indexOf(disc.level as (typeof LEVELS)[number]));
    expect(centre).toEqual([expect.closeTo(x, 6), expect.closeTo(y, 6)]);
    expect(localizationMm).toBeCloseTo(0, 6);
    expect(flags).toEqual(['a doubt']);
  }
});

it('continues from the only found disc by the pitch of the localizer', async () => {
  const onlyFirst = searched(() => ['L1/L2']).map((slice) => ({ ...slice, pitchMm: 5 }));
  const { discs } = await cut(onlyFirst);
  for (const { disc, centre, record } of discs.filter(({ disc: { level } }) => level === 'L2/L3')) {
    const [, top] = centreOf(0);
    expect(centre[1], disc.studyId).toBeCloseTo(top + 5 / record.pixelSpacing[0], 10);
  }
});

it('moves a centre outside the image to its edge', async () => {
  const { discs } = await cut(searched(() => ['L3/L4', 'L4/L5'], [0, 40]));
  const last = discs.find(({ disc }) => disc.level === 'L5/S1')!;
  expect(last.centre[1]).toBe(ROWS - 1);
});

it('cuts all discs also without any found disc, and without a slice of the series', async () => {
  const [first] = searched(() => []);
  const { discs } = await cut([first!]);
  expect(discs).toHaveLength(9);
  for (const { disc, centre, flags } of discs) {
    expect(centre).toEqual([20, 24]);
    expect(flags).toContain('not_found');
    expect(flags.includes('not_searched')).toBe(disc.studyId === '2');
  }
});
