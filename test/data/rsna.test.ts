import { appendFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { LEVELS } from '#spinegrad/anatomy.js';
import { readDataset } from '#spinegrad/data/dataset.js';
import type { AnnotatedDisc, Dataset, Study } from '#spinegrad/data/layouts/layout.js';
import { DEFAULT_TASK } from '#spinegrad/tasks/index.js';
import { centreOf, SERIES, tinyLayout } from './layout.js';

const folders: string[] = [];
const make = async (...args: Parameters<typeof tinyLayout>) => {
  folders.push(await tinyLayout(...args));
  return folders.at(-1)!;
};
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

const readRsna = (folder: string, ...tasks: string[]) =>
  readDataset(folder, { tasks: tasks.length > 0 ? tasks : [DEFAULT_TASK] });

const discsOf = (study: Study | undefined): AnnotatedDisc[] =>
  study!.series.flatMap(({ annotation }) => (annotation.kind === 'discs' ? annotation.discs : []));
const gradesOf = ({ studies }: Dataset) => discsOf(studies[0]).map(({ grades }) => grades[0]);

const COORDINATES = 'train_label_coordinates.csv';
const codes = ({ skipped }: { skipped: { code: string }[] }) => skipped.map(({ code }) => code);

async function edit(folder: string, file: string, change: (text: string) => string): Promise<void> {
  const path = join(folder, file);
  await writeFile(path, change(await readFile(path, 'utf8')));
}

describe('the RSNA layout', () => {
  test('returns studies sorted by id and discs by level', async () => {
    const folder = await make([{ studyId: '100' }, { studyId: '20' }]);
    const data = await readRsna(folder);
    expect(data.skipped).toEqual([]);
    expect(data.synthetic).toBe(false);
    expect(data.studies.map(({ studyId }) => studyId)).toEqual(['20', '100']);
    expect(discsOf(data.studies[1]).map(({ grades }) => grades)).toEqual([[0], [1], [2], [0], [1]]);
    expect(data.studies[0]!.series).toMatchObject([
      {
        seriesId: SERIES,
        series: 'Sagittal T2/STIR',
        images: `train_images/20/${SERIES}`,
        pixelSpacing: null,
      },
    ]);
    expect(discsOf(data.studies[0])[3]).toEqual({
      level: 'L4/L5',
      side: null,
      grades: [1],
      slice: 2,
      centre: centreOf(3),
      box: null,
    });
  });

  test('reads only the rows of the task', async () => {
    const folder = await make([{ studyId: '1' }]);
    await appendFile(join(folder, COORDINATES), `1,${SERIES},1,Left Neural Foraminal Narrowing,L3/L4,5,6\n`);
    const data = await readRsna(folder, 'rsna/left_neural_foraminal_narrowing');
    expect(discsOf(data.studies[0]).filter(({ side }) => side !== null)).toMatchObject([
      { level: 'L3/L4', side: 'left', grades: [1], centre: [5, 6] },
    ]);
    expect(codes(data).every((code) => code === 'ERR_COORDINATE_MISSING')).toBe(true);
  });

  test('adds the points of the canal for the localizer if no task is graded there', async () => {
    const folder = await make([{ studyId: '1' }]);
    await appendFile(join(folder, COORDINATES), `1,88,1,Left Neural Foraminal Narrowing,L3/L4,5,6\n`);
    await mkdir(join(folder, 'train_images/1/88'));
    const { studies, series } = await readRsna(folder, 'rsna/left_neural_foraminal_narrowing');
    expect(series.map(({ name }) => name)).toEqual(['Sagittal T1']);
    const [t1, t2] = studies[0]!.series;
    expect([t1!.series, t2!.series]).toEqual(['Sagittal T1', 'Sagittal T2/STIR']);
    expect(discsOf(studies[0]).slice(1)).toEqual(
      LEVELS.map((level, index) => ({
        level,
        side: null,
        grades: [null],
        slice: 2,
        centre: centreOf(index),
        box: null,
      })),
    );
  });

  test('reads several conditions together: one series per kind, one disc per side', async () => {
    const folder = await make([{ studyId: '1' }]);
    const rows = ['Left', 'Right'].flatMap((side, i) =>
      ['L3/L4', 'L4/L5'].map(
        (level) => `1,88,${i + 1},${side} Neural Foraminal Narrowing,${level},${10 + i},6`,
      ),
    );
    await appendFile(join(folder, COORDINATES), `${rows.join('\n')}\n`);
    await mkdir(join(folder, 'train_images/1/88'));
    const [left, right] = ['left', 'right'].map((side) => `rsna/${side}_neural_foraminal_narrowing`);
    const { studies, tasks } = await readRsna(folder, DEFAULT_TASK, left!, right!);
    expect(tasks.map(({ id }) => id)).toEqual([DEFAULT_TASK, left, right]);
    expect(studies[0]!.series.map(({ series }) => series)).toEqual(['Sagittal T2/STIR', 'Sagittal T1']);
    const foramina = discsOf(studies[0]).slice(5);
    expect(foramina.map(({ level, side, grades, slice }) => [level, side, grades, slice])).toEqual([
      ['L3/L4', 'left', [null, 1, null], 1],
      ['L4/L5', 'left', [null, 2, null], 1],
      ['L3/L4', 'right', [null, null, 0], 2],
      ['L4/L5', 'right', [null, null, 1], 2],
    ]);
  });

  test('returns series of a named kind without coordinates, but not a second one of an annotated kind', async () => {
    const folder = await make([{ studyId: '1' }]);
    await appendFile(
      join(folder, 'train_series_descriptions.csv'),
      '1,88,Sagittal T2/STIR\n1,90,Sagittal T1\n1,99,Axial T2\n',
    );
    for (const id of ['88', '90', '99']) await mkdir(join(folder, 'train_images/1', id));
    const { series, studies, skipped } = await readDataset(folder, {
      series: ['Sagittal T2/STIR', 'Axial T2'],
    });
    expect(series).toMatchObject([
      { plane: 'sagittal' },
      { name: 'Axial T2', plane: 'axial', weighting: 'T2' },
    ]);
    expect(studies[0]!.series.map(({ seriesId, series: kind }) => [seriesId, kind])).toEqual([
      [SERIES, 'Sagittal T2/STIR'],
      ['99', 'Axial T2'],
    ]);
    expect(discsOf(studies[0])).toHaveLength(5);
    expect(codes({ skipped })).toEqual(['ERR_SERIES_EXTRA']);
    await expect(readDataset(folder, { series: ['Coronal T2'] })).rejects.toMatchObject({
      code: 'ERR_TASK_SERIES',
      message: expect.stringMatching(
        /^data\.series: there is no series 'Coronal T2'; expected some of Sagittal T2/,
      ),
    });
  });

  test('refuses an unknown task and one that is named twice', async () => {
    const folder = await make([{ studyId: '1' }]);
    await expect(readRsna(folder, 'rsna/scoliosis')).rejects.toMatchObject({
      code: 'ERR_TASK',
      message: expect.stringMatching(
        /^tasks: there is no task 'rsna\/scoliosis'; expected one of rsna\/spinal_canal/,
      ),
    });
    await expect(readRsna(folder, DEFAULT_TASK, DEFAULT_TASK)).rejects.toMatchObject({ code: 'ERR_TASK' });
  });

  test('returns synthetic = true if phantom.json exists', async () => {
    const folder = await make([{ studyId: '1' }]);
    await writeFile(join(folder, 'phantom.json'), '{"synthetic": true}');
    expect((await readRsna(folder)).synthetic).toBe(true);
  });

  test('throws ERR_DATA_LAYOUT that names the missing file', async () => {
    const folder = await make([{ studyId: '1' }]);
    await rm(join(folder, 'train.csv'));
    await expect(readRsna(folder)).rejects.toMatchObject({
      code: 'ERR_DATA_LAYOUT',
      message: expect.stringContaining('train.csv'),
    });
    await expect(readRsna(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_DATA_LAYOUT' });
  });

  test.each(['train.csv', COORDINATES, 'train_series_descriptions.csv'])(
    '%s with a missing column: the error names the file and the column',
    async (file) => {
      const folder = await make([{ studyId: '1' }]);
      await edit(folder, file, (text) => text.replace('study_id', 'patient'));
      await expect(readRsna(folder)).rejects.toMatchObject({
        code: 'ERR_CSV_HEADER',
        message: expect.stringMatching(new RegExp(`${file}: has no column study_id; found patient`)),
      });
      await writeFile(join(folder, file), '');
      await expect(readRsna(folder)).rejects.toMatchObject({ code: 'ERR_CSV_HEADER' });
    },
  );

  test('throws ERR_CSV for a line that cannot be parsed', async () => {
    const folder = await make([{ studyId: '1' }]);
    await appendFile(join(folder, COORDINATES), '1,2,3\n');
    await expect(readRsna(folder)).rejects.toMatchObject({ code: 'ERR_CSV' });
  });

  test('returns discs with a missing or unknown label without a grade', async () => {
    const folder = await make([{ studyId: '1', labels: { 0: '', 1: 'Terrible', 2: 'NaN' } }]);
    const data = await readRsna(folder);
    expect(gradesOf(data)).toEqual([null, null, null, 0, 1]);
    expect(codes(data)).toEqual(['ERR_LABEL_MISSING', 'ERR_LABEL_UNKNOWN', 'ERR_LABEL_MISSING']);
    expect(data.skipped[1]).toMatchObject({
      path: 'train.csv:2',
      message: expect.stringContaining('Terrible'),
    });
  });

  test.each<[string, string, string]>([
    ['a missing coordinate', '', 'ERR_COORDINATE_MISSING'],
    [
      'a coordinate that is not a number',
      `1,${SERIES},2,Spinal Canal Stenosis,L2/L3,left,9`,
      'ERR_COORDINATE_INVALID',
    ],
    ['an empty instance number', `1,${SERIES},,Spinal Canal Stenosis,L2/L3,7,9`, 'ERR_COORDINATE_INVALID'],
    ['an unknown level', `1,${SERIES},2,Spinal Canal Stenosis,L6/S1,7,9`, 'ERR_LEVEL_UNKNOWN'],
    ['an unknown condition', `1,${SERIES},2,Scoliosis,L2/L3,7,9`, 'ERR_CONDITION_UNKNOWN'],
    ['a missing series folder', '1,555,2,Spinal Canal Stenosis,L2/L3,7,9', 'ERR_SERIES_MISSING'],
  ])('%s removes only its disc', async (_, row, code) => {
    const folder = await make([{ studyId: '1' }]);
    await edit(folder, COORDINATES, (text) => text.replace(/^.*L2\/L3.*\n/m, row && `${row}\n`));
    const data = await readRsna(folder);
    expect(codes(data)).toContain(code);
    expect(discsOf(data.studies[0]).map(({ level }) => level)).toEqual(['L1/L2', 'L3/L4', 'L4/L5', 'L5/S1']);
  });

  test('uses the first of duplicate rows', async () => {
    const folder = await make([{ studyId: '1' }]);
    await appendFile(join(folder, COORDINATES), `1,${SERIES},1,Spinal Canal Stenosis,L1/L2,0,0\n`);
    await edit(folder, 'train.csv', (text) => text + text.split('\n')[1]!.replace('Normal/Mild', 'Severe'));
    await appendFile(join(folder, 'train_series_descriptions.csv'), `1,${SERIES},Axial T2\n`);
    const data = await readRsna(folder);
    expect(codes(data)).toEqual(['ERR_DUPLICATE_ROW', 'ERR_DUPLICATE_ROW', 'ERR_DUPLICATE_ROW']);
    expect(discsOf(data.studies[0])[0]).toMatchObject({ centre: [20, 6], grades: [0] });
  });

  test.each(['../../outside', '/etc', './1', '2/../1', '..', '.', ''])(
    "refuses the id '%s', which is not the name of a folder, with the line",
    async (id) => {
      const folder = await make([{ studyId: '1' }, { studyId: '2' }]);
      for (const file of ['train.csv', COORDINATES])
        await edit(folder, file, (text) => text.replaceAll(/^2,/gm, `${id},`));
      await edit(folder, 'train_series_descriptions.csv', (text) => text.replace('2,77', `2,${id}`));
      const { studies, skipped } = await readRsna(folder);
      expect(studies.map(({ studyId }) => studyId)).toEqual(['1']);
      const refused = skipped.filter(({ code }) => code === 'ERR_ROW_INVALID');
      expect(refused.map(({ path }) => path)).toEqual([
        'train.csv:3',
        ...[7, 8, 9, 10, 11].map((line) => `${COORDINATES}:${line}`),
        'train_series_descriptions.csv:3',
      ]);
      const expected = "', expected the name of a folder in train_images; row skipped";
      expect(refused[0]!.message).toBe(`found study_id '${id}${expected}`);
      expect(refused.at(-1)!.message).toBe(`found series_id '${id}${expected}`);
    },
  );

  test('skips a study whose folder or series is a link to those of another', async () => {
    const folder = await make([{ studyId: '1' }, { studyId: '2' }, { studyId: '3' }]);
    const images = join(folder, 'train_images');
    await rm(join(images, '2'), { recursive: true });
    await symlink('1', join(images, '2'));
    await rm(join(images, '3', SERIES), { recursive: true });
    await symlink(`../1/${SERIES}`, join(images, '3', SERIES));
    const data = await readRsna(folder);
    expect(data.studies.map(({ studyId }) => studyId)).toEqual(['1']);
    const message = expect.stringMatching(/a link to images of study 1, .*study \d skipped/);
    expect(data.skipped).toEqual([
      { path: 'train_images/2', code: 'ERR_STUDY_DUPLICATE', message },
      { path: `train_images/3/${SERIES}`, code: 'ERR_STUDY_DUPLICATE', message },
    ]);
  });

  test('follows links to folders elsewhere', async () => {
    const [folder, other] = [await make([{ studyId: '1' }]), await make([])];
    await mkdir(join(other, 'train_images'));
    await rename(join(folder, 'train_images/1'), join(other, 'train_images/1'));
    await symlink(join(other, 'train_images/1'), join(folder, 'train_images/1'));
    const data = await readRsna(folder);
    expect([data.studies.length, data.skipped]).toEqual([1, []]);
  });

  test('keeps a study without labels and skips one without coordinates or folder', async () => {
    const folder = await make([{ studyId: '1' }, { studyId: '2' }, { studyId: '3' }]);
    await edit(folder, 'train.csv', (text) => text.replace(/^1,.*\n/m, ''));
    await edit(folder, COORDINATES, (text) => text.replaceAll(/^2,.*\n/gm, ''));
    await rm(join(folder, 'train_images', '3'), { recursive: true });
    const data = await readRsna(folder);
    expect(data.studies.map(({ studyId }) => studyId)).toEqual(['1']);
    expect(gradesOf(data)).toEqual([null, null, null, null, null]);
    expect(new Set(codes(data))).toEqual(
      new Set(['ERR_LABEL_MISSING', 'ERR_COORDINATE_MISSING', 'ERR_SERIES_MISSING']),
    );
  });

  test('reports a study folder that no CSV file lists', async () => {
    const folder = await make([{ studyId: '1' }]);
    await mkdir(join(folder, 'train_images/7'));
    expect((await readRsna(folder)).skipped).toMatchObject([
      { code: 'ERR_STUDY_UNLISTED', path: 'train_images/7' },
    ]);
  });

  test('uses the annotated one of several series and reports the other', async () => {
    const folder = await make([{ studyId: '1' }]);
    await appendFile(join(folder, 'train_series_descriptions.csv'), '1,88,Sagittal T2/STIR\n1,99,Axial T2\n');
    await mkdir(join(folder, 'train_images/1/88'));
    const data = await readRsna(folder);
    expect(data.skipped).toMatchObject([{ code: 'ERR_SERIES_EXTRA', path: 'train_images/1/88' }]);
    expect(discsOf(data.studies[0])).toHaveLength(5);
  });
});
