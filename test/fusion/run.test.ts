/** Complete runs with both fusions: sagittal and axial T2 of phantoms, and T1 and T2 of real patients. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readBank } from '#spinegrad/data/bank.js';
import { readModel } from '#spinegrad/model/readModel.js';
import { generatePhantom } from '#spinegrad/phantom/generate.js';
import { evaluateModel } from '#spinegrad/training/evaluateModel.js';
import { silent } from '#spinegrad/training/progress.js';
import { readSummary, spiderTable, temporaryFolder, tensorsOf, trainHere } from '../training/runs.js';

const FUSIONS = ['channels', 'attention'] as const;
const signal = new AbortController().signal;

describe.each(FUSIONS)('a run on sagittal and axial T2 of phantoms with fusion %s', (fusion) => {
  const series = ['Sagittal T2/STIR', 'Axial T2'];
  // The split of these seven studies: four for training, two for validation, one for testing.
  const phantom = { studies: 7, seed: 8, prevalence: 'enriched', slices: 1, series: ['Axial T2'] } as const;
  let dir: string;
  let data: string;

  beforeAll(async () => {
    data = join(await temporaryFolder(), 'phantom');
    await generatePhantom({ ...phantom, out: data });
    dir = await temporaryFolder();
    await trainHere(dir, data, { fusion, 'data.series': series, 'data.neighbours': 1 });
  }, 600_000);

  it('cuts the discs from both series', async () => {
    const { manifest } = await readBank(join(dir, 'bank'));
    expect(manifest.series).toEqual(series);
    expect(manifest.notices.filter(({ code }) => code === 'ERR_SPACING_REPLACED')).toEqual([]);
    const discs = new Set(manifest.rois.map(({ disc }) => disc));
    for (const name of series) {
      const shown = manifest.rois.filter((roi) => roi.series === name && roi.sliceOffset === 0);
      expect(new Set(shown.map(({ disc }) => disc))).toEqual(discs);
    }
  });

  it('records its input in model.json and its encoders in the weights', async () => {
    const { input } = await readModel(dir);
    expect(input.spec).toEqual({ fusion, series, slices: fusion === 'attention' ? 3 : 1 });
    expect(input.normalisation).toHaveLength(2);
    const weights = await tensorsOf(dir, 'weights/grader-contrastive.safetensors');
    if (fusion === 'channels') expect(weights.get('encoder.conv1.weight')!.shape[1]).toBe(2);
    else for (const index of [0, 1]) expect(weights.has(`encoder.series${index}.conv1.weight`)).toBe(true);
  });

  it('is evaluated again with the same numbers, also on the folder of studies', async () => {
    const options = { model: dir, device: 'cpu', progress: silent, signal } as const;
    const { tasks } = await evaluateModel(options);
    expect(tasks[0]!.arms).toEqual(readSummary(dir).tasks[0]!.arms);
    const other = await evaluateModel({ ...options, data, includeTraining: true });
    expect(other.studies).toBe(phantom.studies);
  });
});

const { SPINEGRAD_TEST_DATA: real } = process.env;

describe.skipIf(!real)('T1 and T2 of 12 SPIDER patients (SPINEGRAD_TEST_DATA)', () => {
  const patients = ['4', '40', '47', '69', '95', '106', '112', '125', '127', '131', '167', '170'];
  let table: string;

  beforeAll(async () => {
    table = await spiderTable(
      real!,
      patients.flatMap((patient) => [`${patient}_t1`, `${patient}_t2`]),
    );
  });

  it.each(FUSIONS)('train with fusion %s', { timeout: 600_000 }, async (fusion) => {
    const dir = await temporaryFolder();
    const settings = {
      fusion,
      'data.series': ['T2', 'T1'],
      tasks: ['spider/pfirrmann'],
      'data.folds': 3,
      'data.fold': 0,
    };
    await trainHere(dir, table, settings);
    const { manifest } = await readBank(join(dir, 'bank'));
    const shown = (name: string) =>
      new Set(manifest.rois.filter((roi) => roi.series === name).map(({ disc }) => disc));
    const both = [...shown('T2')].filter((disc) => shown('T1').has(disc));
    expect(both.length).toBeGreaterThan(50);
    expect(readSummary(dir).tasks[0]!.arms).toHaveLength(3);
  });
});
