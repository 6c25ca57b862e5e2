/** The crops that `predict` gives a fused model, on a phantom study with three series. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LEVELS } from '#spinegrad/anatomy.js';
import { type InputSeries, readInput } from '#spinegrad/data/input.js';
import { type FusionName, fusionSpec } from '#spinegrad/model/fusion/spec.js';
import { generatePhantom } from '#spinegrad/phantom/generate.js';
import { identityOf } from '#spinegrad/phantom/identity.js';
import { readStudy } from '#spinegrad/phantom/reader.js';
import { drawStudy, PHANTOM_SERIES } from '#spinegrad/phantom/study.js';
import { toPixel } from '#spinegrad/phantom/toPixel.js';
import { cutDiscs } from '#spinegrad/predict/cutDiscs.js';
import { SPINAL_CANAL_STENOSIS } from '#spinegrad/tasks/rsna.js';

const SEED = 4;
const SERIES = [...PHANTOM_SERIES];
const ROI = { size: 24, mode: 'mm', extentMm: 40 } as const;
const root = await mkdtemp(join(tmpdir(), 'spinegrad-cut-'));
afterAll(() => rm(root, { recursive: true, force: true }));

let read: InputSeries;
beforeAll(async () => {
  const out = join(root, 'phantom');
  await generatePhantom({ out, studies: 1, seed: SEED, prevalence: 'enriched', slices: 3, series: SERIES });
  const { studyId } = identityOf(SEED, 0);
  read = await readInput(join(out, 'train_images', studyId), null, 'T2');
});

const study = drawStudy(SEED, 0, 'enriched', 3, true);
const [reading] = readStudy(study);
const discs = readStudy(study).map(({ point }, index) => ({
  level: LEVELS[index]!,
  point: toPixel(study, ...point),
}));

/** Cuts the discs on the annotated slice of the first one. */
function cut(fusion: FusionName, series = read.study, inPatient = true) {
  const slice = read.slices.find(({ instanceNumber }) => instanceNumber === reading!.slice + 1)!;
  const input = { spec: fusionSpec(fusion, SERIES, 1), normalisation: [] };
  const description = {
    ...{ roi: ROI, input, sites: [] },
    trainedOn: { tasks: [SPINAL_CANAL_STENOSIS] },
    localizer: { series: [PHANTOM_SERIES[0]] },
  };
  return cutDiscs(
    description as unknown as Parameters<typeof cutDiscs>[0],
    { slice, slices: read.slices, study: series },
    { slice, inPatient },
    discs,
  );
}

const area = ROI.size ** 2;
const cropOf = ({ pixels }: { pixels: Uint16Array }, row: number) =>
  pixels.slice(row * area, (row + 1) * area);

it('finds the three series of a study folder', () => {
  expect(read.study.map(({ description, plane }) => `${plane} ${description}`).sort()).toEqual([
    'axial Axial T2',
    'sagittal Sagittal T1',
    'sagittal Sagittal T2/STIR',
  ]);
});

it('cuts one crop per disc without fusion, and one per series with channels', async () => {
  const none = await cut('none');
  expect(none.crops.discs).toEqual([[0], [1], [2], [3], [4]]);
  const channels = await cut('channels');
  expect(channels.missing).toEqual([]);
  expect(channels.crops.discs.map((slots) => slots.length)).toEqual([3, 3, 3, 3, 3]);
  for (const [index, [row]] of channels.crops.discs.entries()) {
    expect(cropOf(channels.crops, row!)).toEqual(cropOf(none.crops, index));
  }
});

it('cuts the other series where the disc is: the centre is CSF, dark in T1 and bright in axial T2', async () => {
  const { crops } = await cut('channels');
  const middle = (row: number) => {
    const crop = cropOf(crops, row);
    const near = [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => crop[(12 + dy) * ROI.size + 12 + dx]!));
    const order = (value: number) => crop.filter((other) => other < value).length / area;
    return order(near.reduce((a, b) => a + b) / near.length);
  };
  const mean = (series: number) =>
    crops.discs.reduce((sum, slots) => sum + middle(slots[series]!), 0) / crops.discs.length;
  expect(mean(0)).toBeGreaterThan(0.6);
  expect(mean(1)).toBeLessThan(0.4);
  expect(mean(2)).toBeGreaterThan(0.6);
});

it('masks a series that is missing or cannot be placed, names it, and changes no other crop', async () => {
  const complete = await cut('attention');
  expect(complete.crops.discs.map((slots) => slots.length)).toEqual([9, 9, 9, 9, 9]);
  const withoutAxial = await cut(
    'attention',
    read.study.filter(({ plane }) => plane !== 'axial'),
  );
  expect(withoutAxial.missing).toEqual(['Axial T2']);
  for (const [index, slots] of withoutAxial.crops.discs.entries()) {
    expect(slots.slice(6)).toEqual([null, null, null]);
    for (const [slot, row] of slots.slice(0, 6).entries()) {
      const other = complete.crops.discs[index]![slot]!;
      if (row === null) expect(other).toBeNull();
      else expect(cropOf(withoutAxial.crops, row)).toEqual(cropOf(complete.crops, other));
    }
  }
  expect((await cut('channels', read.study, false)).missing).toEqual(['Sagittal T1', 'Axial T2']);
});
