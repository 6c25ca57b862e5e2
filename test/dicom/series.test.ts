import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { findSeries, sagittalSeries } from '#spinegrad/dicom/series.js';
import { buildDicom, type Elements, imageElements, us } from './build.js';

const SAGITTAL = '0\\1\\0\\0\\0\\-1';
const AXIAL = '1\\0\\0\\0\\1\\0';

let folder: string;

async function writeSeries(
  name: string,
  description: string,
  orientation: string,
  te: string,
  positions: number[],
) {
  await mkdir(join(folder, name), { recursive: true });
  for (const [index, x] of positions.entries()) {
    const more: Elements = {
      '0008103E': ['LO', description],
      '00180081': ['DS', te],
      '0020000E': ['UI', `1.2.3.${name.length}`],
      '00200013': ['IS', String(index + 1)],
      '00200032': ['DS', `${x}\\0\\0`],
      '00200037': ['DS', orientation],
    };
    await writeFile(join(folder, name, `${index + 1}.dcm`), buildDicom(imageElements(1, 2, us(1, 2), more)));
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-'));
  await writeSeries('t1', 't1_tse_sag', SAGITTAL, '10', [0, 4]);
  await writeSeries('ax2', 't2_tse_tra', AXIAL, '97', [0]);
  await writeSeries('stir', 't2_tirm_sag', SAGITTAL, '70', [0, 4, 8]);
  await writeSeries('right', 't2_tse_sag', SAGITTAL, '96', [4, 0, -4]);
  await writeFile(join(folder, 'train.csv'), 'ignored because of its name');
  await writeFile(join(folder, 'broken.dcm'), 'not DICOM');
});

describe('findSeries', () => {
  it('groups files by series, sorts slices from right to left and lists unreadable files', async () => {
    const { series, skipped } = await findSeries(folder);
    expect(series.map(({ plane, description, files }) => [plane, description, files.length])).toEqual(
      expect.arrayContaining([
        ['sagittal', 't1_tse_sag', 2],
        ['axial', 't2_tse_tra', 1],
        ['sagittal', 't2_tirm_sag', 3],
        ['sagittal', 't2_tse_sag', 3],
      ]),
    );
    const sorted = series.find(({ description }) => description === 't2_tse_sag')!;
    expect(sorted.files.map(({ instanceNumber }) => instanceNumber)).toEqual([3, 2, 1]);
    expect(skipped).toEqual([
      {
        path: join(folder, 'broken.dcm'),
        code: 'ERR_DICOM_NOT_DICOM',
        message: expect.stringContaining('broken.dcm'),
      },
    ]);
  });

  it('throws ERR_FILE_NOT_FOUND for a missing folder', async () => {
    await expect(findSeries('/no/such/folder')).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  });
});

describe('sagittalSeries', () => {
  it('puts T2 before fat-suppressed T2 for any order of the series', async () => {
    const { series } = await findSeries(folder);
    for (const order of [series, [...series].reverse()]) {
      const found = sagittalSeries(order, 'T2', folder).map(({ description }) => description);
      expect(found).toEqual(['t2_tse_sag', 't2_tirm_sag']);
    }
  });

  it('finds T1 by a short echo time and a short repetition time', async () => {
    const { series } = await findSeries(folder);
    const found = sagittalSeries(series, 'T1', folder).map(({ description }) => description);
    expect(found).toEqual(['t1_tse_sag']);
    const protonDensity = series.map((item) => ({ ...item, repetitionTime: 3000 }));
    expect(() => sagittalSeries(protonDensity, 'T1', folder)).toThrow('no sagittal T1 series');
  });

  it('throws an error that lists the series found', async () => {
    const path = join(folder, 'ax2', '1.dcm');
    const { series } = await findSeries(path);
    expect(() => sagittalSeries(series, 'T2', path)).toThrow(
      expect.objectContaining({
        code: 'ERR_SERIES_NOT_FOUND',
        message: expect.stringContaining('axial MR "t2_tse_tra" (1 files, TE 97 ms)'),
      }),
    );
  });
});
