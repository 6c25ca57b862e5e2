import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readDataset } from '#spinegrad/data/dataset.js';
import { encodeMha } from './metaImage.js';

const HEADER =
  'Patient,IVD label,Modic,UP endplate,LOW endplate,Spondylolisthesis,Disc herniation,Disc narrowing,Disc bulging,Pfirrman grade';
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'spinegrad-spider-'));
  for (const folder of ['images', 'masks']) {
    await mkdir(join(dir, folder));
    for (const name of ['1_t1', '1_t2', '10_t2_SPACE', '2_t2']) await add(join(folder, `${name}.mha`));
  }
  await grade('1,1,2,0,0,0,0,1,1,3', '1,2,0,1,0,0,0,0,0,5', '2,1,0,0,0,0,0,0,0,1', '10,9,0,0,0,0,0,0,0,2');
});
afterEach(() => rm(dir, { recursive: true }));

const add = (file: string) => writeFile(join(dir, file), encodeMha({ size: [4, 3, 2] }));
const grade = (...rows: string[]) =>
  writeFile(join(dir, 'radiological_gradings.csv'), `${[HEADER, ...rows].join('\n')}\n`);
const gradesOf = async (tasks: string[] = []) => {
  const { studies, skipped } = await readDataset(dir, { tasks });
  const grades = studies.map(({ studyId, series }) => [
    studyId,
    series.map(({ annotation }) => annotation.kind === 'mask' && annotation.grades)[0],
  ]);
  return { grades: Object.fromEntries(grades), skipped };
};

describe('the SPIDER layout', () => {
  test('is recognised, and gives each image with its mask and the grades of the patient', async () => {
    const { layout, studies, skipped, tasks } = await readDataset(dir);
    expect({ layout, skipped }).toEqual({ layout: 'spider', skipped: [] });
    expect(tasks.map(({ id }) => id)).toEqual(['spider/pfirrmann']);
    expect(studies.map(({ studyId, series }) => [studyId, series.map((item) => item.series)])).toEqual([
      ['1', ['T1', 'T2']],
      ['2', ['T2']],
      ['10', ['T2_SPACE']],
    ]);
    expect(studies[0]!.series[1]).toEqual({
      seriesId: '1_t2',
      series: 'T2',
      images: 'images/1_t2.mha',
      pixelSpacing: null,
      annotation: { kind: 'mask', file: 'masks/1_t2.mha', grades: { 'L5/S1': [2], 'L4/L5': [4] } },
    });
    expect((await gradesOf()).grades['10']).toEqual({ 'T9/T10': [1] });
  });

  test('skips a patient whose file is a link to that of another', async () => {
    for (const folder of ['images', 'masks']) {
      await rm(join(dir, folder, '2_t2.mha'));
      await symlink('1_t2.mha', join(dir, folder, '2_t2.mha'));
    }
    const { studies, skipped } = await readDataset(dir);
    expect(studies.map(({ studyId }) => studyId)).toEqual(['1', '10']);
    expect(skipped).toMatchObject([{ path: 'images/2_t2.mha', code: 'ERR_STUDY_DUPLICATE' }]);
  });

  test('reads the published column of every task', async () => {
    const names =
      'pfirrmann pfirrmann_3 narrowing bulging herniation spondylolisthesis upper_endplate lower_endplate modic';
    const { grades } = await gradesOf(names.split(' ').map((name) => `spider/${name}`));
    expect(grades['1']).toEqual({
      'L5/S1': [2, 1, 1, 1, 0, 0, 0, 0, 2],
      'L4/L5': [4, 2, 0, 0, 0, 0, 1, 0, 0],
    });
  });
});

describe('invalid SPIDER data is reported, and the rest is used', () => {
  test.each([
    ['1,-1,0,0,0,0,0,0,0,1', 'ERR_LEVEL_UNKNOWN', "IVD label '-1'"],
    ['1,10,0,0,0,0,0,0,0,1', 'ERR_LEVEL_UNKNOWN', "IVD label '10', expected 1 for L5/S1 to 9 for T9/T10"],
    ['1,1,0,0,0,0,0,0,0,1', 'ERR_DUPLICATE_ROW', 'duplicate IVD label 1 (L5/S1); first row used'],
    ['1,2,0,0,0,0,0,0,0,', 'ERR_LABEL_MISSING', 'L4/L5 pfirrman_grade: no label'],
    ['1,2,0,0,0,0,0,0,0,6', 'ERR_LABEL_UNKNOWN', "found '6', expected 1, 2, 3, 4, 5"],
  ])('the row %s', async (row, code, part) => {
    await grade('1,1,2,0,0,0,0,1,1,3', '2,1,0,0,0,0,0,0,0,1', '10,1,0,0,0,0,0,0,0,2', row);
    const { grades, skipped } = await gradesOf();
    expect(skipped).toMatchObject([{ path: 'radiological_gradings.csv:5', code }]);
    expect(skipped[0]!.message).toContain(`patient 1: `);
    expect(skipped[0]!.message).toContain(part);
    expect(grades['1']).toMatchObject({ 'L5/S1': [2] });
  });

  test('a patient with the IVD label 0, whose numbering is unknown, has no grades', async () => {
    await grade('1,1,2,0,0,0,0,1,1,3', '1,0,0,0,0,0,0,0,0,1', '2,1,0,0,0,0,0,0,0,1', '10,1,0,0,0,0,0,0,0,2');
    const { grades, skipped } = await gradesOf();
    expect(skipped).toMatchObject([{ path: 'radiological_gradings.csv:3', code: 'ERR_LEVEL_UNKNOWN' }]);
    expect(skipped[0]!.message).toContain('the grades of this patient are not used');
    expect(grades).toEqual({ 1: {}, 2: { 'L5/S1': [0] }, 10: { 'L5/S1': [1] } });
  });

  test('an image without a mask, a mask without an image, and another file', async () => {
    await rm(join(dir, 'masks/1_t1.mha'));
    await rm(join(dir, 'images/2_t2.mha'));
    await add('images/1_t3.mha');
    await add('images/.DS_Store');
    const { studies, skipped } = await readDataset(dir);
    expect(skipped.map(({ path, code }) => [path, code])).toEqual([
      ['masks/2_t2.mha', 'ERR_SERIES_MISSING'],
      ['images/1_t1.mha', 'ERR_MASK_MISSING'],
      ['images/1_t3.mha', 'ERR_SERIES_UNKNOWN'],
      ['radiological_gradings.csv', 'ERR_SERIES_MISSING'],
    ]);
    expect(skipped[3]!.message).toContain('patient 2 has grades but no image');
    expect(studies.map(({ studyId }) => studyId)).toEqual(['1', '10']);
  });

  test('a patient without grades', async () => {
    await grade('1,1,2,0,0,0,0,1,1,3', '2,1,0,0,0,0,0,0,0,1');
    const { grades, skipped } = await gradesOf();
    expect(skipped).toMatchObject([{ code: 'ERR_LABEL_MISSING', path: 'radiological_gradings.csv' }]);
    expect(grades['10']).toEqual({});
  });

  test('a column that is missing stops', async () => {
    await writeFile(join(dir, 'radiological_gradings.csv'), 'Patient,IVD label,Modic\n1,1,0\n');
    await expect(readDataset(dir)).rejects.toMatchObject({
      code: 'ERR_CSV_HEADER',
      message: expect.stringContaining('has no column pfirrman_grade'),
    });
  });
});
