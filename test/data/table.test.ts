import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { encode } from 'fast-png';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DISC_LEVELS } from '#spinegrad/anatomy.js';
import { readDataset } from '#spinegrad/data/dataset.js';
import { levelOf, spacingOf } from '#spinegrad/data/layouts/fields.js';
import type { AnnotatedSeries, DiscAnnotation } from '#spinegrad/data/layouts/layout.js';
import { taskOf } from '#spinegrad/tasks/index.js';
import { encodeMha } from './metaImage.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'spinegrad-table-'));
  const png = encode({ width: 4, height: 3, channels: 1, depth: 8, data: new Uint8Array(12) });
  for (const name of ['a.png', 'b.png']) await writeFile(join(dir, name), png);
  await writeFile(join(dir, 'v.mha'), encodeMha({ size: [4, 3, 2] }));
});
afterEach(() => rm(dir, { recursive: true }));

const TASKS = ['spider/pfirrmann'];
async function read(csv: string, tasks: string[] = TASKS) {
  await writeFile(join(dir, 'discs.csv'), csv);
  return readDataset(dir, { tasks });
}
/** The annotation of the only series. */
const discsOf = async (csv: string, tasks?: string[]) => {
  const { studies, skipped } = await read(csv, tasks);
  expect(skipped).toEqual([]);
  expect(studies.map(({ series }) => series.length)).toEqual([1]);
  return studies[0]!.series[0] as AnnotatedSeries & { annotation: DiscAnnotation };
};

describe('a table of discs', () => {
  test('is recognised, and gives studies, series and discs', async () => {
    const { layout, studies, skipped, synthetic, tasks } = await read(
      `study,image,series,level,x,y,spacing,complete,pfirrman_grade
p1,a.png,T2,L5/S1,2,2.5,0.5,true,3
p1,a.png,T2,L4/L5,1,1,0.5,true,5
p1,b.png,t1,L5/S1,2,2,0.5 x 0.6,,1
`,
    );
    expect({ layout, synthetic, skipped }).toEqual({ layout: 'table', synthetic: false, skipped: [] });
    expect(tasks.map(({ id }) => id)).toEqual(TASKS);
    expect(studies).toEqual([
      {
        studyId: 'p1',
        series: [
          {
            seriesId: 'a.png',
            series: 'T2',
            images: 'a.png',
            pixelSpacing: [0.5, 0.5],
            annotation: {
              kind: 'discs',
              complete: true,
              found: false,
              discs: [
                { level: 'L4/L5', side: null, grades: [4], slice: 1, centre: [1, 1], box: null },
                { level: 'L5/S1', side: null, grades: [2], slice: 1, centre: [2, 2.5], box: null },
              ],
            },
          },
          {
            seriesId: 'b.png',
            series: 'T1',
            images: 'b.png',
            pixelSpacing: [0.5, 0.6],
            annotation: {
              kind: 'discs',
              complete: false,
              found: false,
              discs: [{ level: 'L5/S1', side: null, grades: [0], slice: 1, centre: [2, 2], box: null }],
            },
          },
        ],
      },
    ]);
  });

  test('has discs that a localizer found', async () => {
    const { annotation } = await discsOf(
      `study,image,series,level,x,y,spacing,found,pfirrman_grade
p1,a.png,T2,L5/S1,2,2.5,0.5,true,3
p1,a.png,T2,L4/L5,1,1,0.5,true,5
`,
    );
    expect(annotation).toMatchObject({ found: true, discs: [{ grades: [4] }, { grades: [2] }] });
  });

  test('takes centres from boxes, and both if both are present', async () => {
    const header = 'study,image,level,left,top,right,bottom,pfirrman_grade';
    const { annotation } = await discsOf(`${header}\np,a.png,L5/S1,0,1,3,2,3\n`);
    expect(annotation.discs).toMatchObject([{ centre: [1.5, 1.5], box: [0, 1, 3, 2] }]);
    const both = await discsOf(`x,y,${header}\n1,2,p,a.png,L5/S1,0,1,3,2,3\n,,p,a.png,L4/L5,0,0,2,1,3\n`);
    expect(both.annotation.discs).toMatchObject([
      { level: 'L4/L5', centre: [1, 0.5], box: [0, 0, 2, 1] },
      { level: 'L5/S1', centre: [1, 2], box: [0, 1, 3, 2] },
    ]);
  });

  test('reads what a spreadsheet writes: byte order mark, semicolons, decimal commas, CRLF, other headers', async () => {
    const { annotation, pixelSpacing } = await discsOf(
      '\ufeffStudy;Image;Level;X;Y;Spacing;Pfirrman grade\r\np;a.png;L45;1,5;2;0,5 x 0,6;3\r\np;a.png;1;2;2;;4\r\n',
    );
    expect(pixelSpacing).toEqual([0.5, 0.6]);
    expect(annotation.discs).toMatchObject([
      { level: 'L4/L5', centre: [1.5, 2], grades: [2] },
      { level: 'L5/S1', grades: [3] },
    ]);
  });

  test('reads several tasks, with null where a grade is missing', async () => {
    const tasks = ['spider/pfirrmann', 'spider/pfirrmann_3', 'spider/modic'];
    const { studies, skipped } = await read(
      'study,image,level,x,y,pfirrman_grade,modic\np,a.png,L5/S1,1,1,4,\np,a.png,L4/L5,1,1,nan,2\n',
      tasks,
    );
    const { annotation } = studies[0]!.series[0]! as AnnotatedSeries & { annotation: DiscAnnotation };
    expect(annotation.discs.map(({ grades }) => grades)).toEqual([
      [null, null, 2],
      [3, 2, null],
    ]);
    expect(skipped.map(({ path, code }) => [path, code])).toEqual([
      ['discs.csv:2', 'ERR_LABEL_MISSING'],
      ['discs.csv:3', 'ERR_LABEL_MISSING'],
      ['discs.csv:3', 'ERR_LABEL_MISSING'],
    ]);
  });

  test('gives the grades of a side to the tasks of that side', async () => {
    const tasks = ['rsna/left_neural_foraminal_narrowing', 'rsna/right_neural_foraminal_narrowing'];
    const { annotation } = await discsOf(
      `study,image,level,x,y,side,left_neural_foraminal_narrowing,right_neural_foraminal_narrowing
p,a.png,L5/S1,1,1,left,Severe,
p,a.png,L5/S1,1,1,R,,Moderate
`,
      tasks,
    );
    expect(annotation.discs).toMatchObject([
      { side: 'left', grades: [2, null] },
      { side: 'right', grades: [null, 1] },
    ]);
  });

  test('refuses images outside of the folder, with the line', async () => {
    const header = 'study,image,level,x,y,pfirrman_grade';
    const outside = ['../a.png', 'sub/../../a.png', '/etc/hostname', `${dir}-other/a.png`, '..'];
    const { studies, skipped } = await read(
      `${header}\n${outside.map((image) => `p,${image},L5/S1,1,1,3\n`).join('')}`,
    );
    expect(studies).toEqual([]);
    for (const [i, image] of outside.entries()) {
      expect(skipped[i]).toMatchObject({ path: `discs.csv:${i + 2}`, code: 'ERR_ROW_INVALID' });
      expect(skipped[i]!.message).toContain(`found image '${image}', expected a path in the folder ${dir}`);
    }
  });

  test('follows links, and recognises an image of two patients under any spelling', async () => {
    await mkdir(join(dir, 'sub'));
    await symlink('..', join(dir, 'sub/up'));
    const spellings = ['a.png', './a.png', 'sub/../a.png', 'sub/up/a.png', join(dir, 'a.png')];
    const rows = spellings.map((image, i) => `p${i},${image},L5/S1,1,1,3\n`).join('');
    const { studies, skipped } = await read(
      `study,image,level,x,y,pfirrman_grade\n${rows}p0,./a.png,L4/L5,1,1,3\n`,
    );
    expect(studies).toMatchObject([
      {
        studyId: 'p0',
        series: [{ seriesId: 'a.png', annotation: { discs: [{ level: 'L4/L5' }, { level: 'L5/S1' }] } }],
      },
    ]);
    expect(skipped.map(({ code }) => code)).toEqual(Array(4).fill('ERR_DUPLICATE_ROW'));
    expect(skipped[3]).toMatchObject({
      path: 'discs.csv:6',
      message: expect.stringContaining('an image of study p0'),
    });
  });

  test('takes volumes with a slice, and absolute paths', async () => {
    const { images, annotation } = await discsOf(
      `study,image,level,x,y,slice,pfirrman_grade\np,${resolve(dir, 'v.mha')},L5/S1,1,1,2,3\n`,
    );
    expect(images).toBe('v.mha');
    expect(annotation.discs).toMatchObject([{ slice: 2 }]);
  });

  test('has its own tasks in tasks.json, which are its default', async () => {
    const own = { ...taskOf('spider/modic'), id: 'clinic/oedema', column: 'oedema' };
    await writeFile(join(dir, 'tasks.json'), JSON.stringify([own]));
    const csv = 'study,image,level,x,y,oedema,pfirrman_grade\np,a.png,L5/S1,1,1,2,3\n';
    expect((await read(csv, [])).tasks).toEqual([own]);
    expect((await read(csv, ['spider/pfirrmann', 'clinic/oedema'])).tasks.map(({ id }) => id)).toEqual([
      'spider/pfirrmann',
      'clinic/oedema',
    ]);
  });

  test('has the first task with a column as the default', async () => {
    const { tasks } = await read('study,image,level,x,y,modic\np,a.png,L5/S1,1,1,2\n', []);
    expect(tasks.map(({ id }) => id)).toEqual(['spider/modic']);
    await expect(read('study,image,level,x,y\np,a.png,L5/S1,1,1\n', [])).rejects.toMatchObject({
      code: 'ERR_TASK',
      message: expect.stringContaining('tasks.json'),
    });
  });
});

describe('an invalid table', () => {
  test.each([
    ['study,image,x,y,pfirrman_grade\n', 'has no column level'],
    ['study,image,level,x,y\np,a.png,L5/S1,1,1\n', 'has no column pfirrman_grade'],
    ['study,image,level,x,top,pfirrman_grade\np,a.png,1,1,1,3\n', 'neither the columns x, y nor left, top'],
  ])('stops without a column: %j', async (csv, part) => {
    const error = await read(csv).catch((cause) => cause);
    expect(error).toMatchObject({ code: 'ERR_CSV_HEADER' });
    expect(error.message).toContain(join(dir, 'discs.csv'));
    expect(error.message).toContain(part);
  });

  test('stops if tasks.json is no list of tasks', async () => {
    for (const text of ['{', '{}', '[{"id":"a"}]']) {
      await writeFile(join(dir, 'tasks.json'), text);
      await expect(read('study,image,level,x,y\n', [])).rejects.toMatchObject({
        code: 'ERR_TASK',
        message: expect.stringContaining('tasks.json'),
      });
    }
  });

  test.each([
    [',a.png,L5/S1,1,1,,,,,3', 'ERR_ROW_INVALID', 'found no study'],
    ['p,,L5/S1,1,1,,,,,3', 'ERR_ROW_INVALID', 'found no image'],
    ['p,a.png,L6/S1,1,1,,,,,3', 'ERR_LEVEL_UNKNOWN', "'L6/S1'"],
    ['p,a.png,0,1,1,,,,,3', 'ERR_LEVEL_UNKNOWN', "'0'"],
    [
      'p,none.png,L5/S1,1,1,,,,,3',
      'ERR_FILE_NOT_FOUND',
      'none.png: there is no such file or folder; disc skipped',
    ],
    ['p,a.png,L5/S1,one,1,,,,,3', 'ERR_COORDINATE_INVALID', "found x 'one', expected a number"],
    ['p,a.png,L5/S1,,1,,,,,3', 'ERR_COORDINATE_INVALID', 'found no coordinates'],
    ['p,a.png,L5/S1,1,1,two,,,,3', 'ERR_COORDINATE_INVALID', "found slice 'two'"],
    ['p,v.mha,L5/S1,1,1,,,,,3', 'ERR_COORDINATE_INVALID', "found slice ''"],
    ['p,a.png,L5/S1,1,1,,both,,,3', 'ERR_ROW_INVALID', "found side 'both'"],
    ['p,a.png,L5/S1,1,1,,,maybe,,3', 'ERR_ROW_INVALID', "found complete 'maybe'"],
    ['q,a.png,L5/S1,1,1,,,,,3', 'ERR_DUPLICATE_ROW', 'an image of study p'],
    ['p,a.png,L4/L5,3,3,,,,,4', 'ERR_DUPLICATE_ROW', 'duplicate disc'],
  ])('%s is skipped and reported with its line', async (line, code, part) => {
    const header = 'study,image,level,x,y,slice,side,complete,spacing,pfirrman_grade';
    const { studies, skipped } = await read(`${header}\np,a.png,L4/L5,1,1,,,,,5\n${line}\n`);
    expect(skipped).toMatchObject([{ path: 'discs.csv:3', code }]);
    expect(skipped[0]!.message).toContain(part);
    expect(skipped[0]!.message).toMatch(/(row|disc) (skipped|used)|first row used/);
    expect(studies.flatMap(({ series }) => series)).toMatchObject([
      { annotation: { discs: [{ level: 'L4/L5', grades: [4] }] } },
    ]);
  });

  test.each([
    ['p,a.png,L5/S1,1,1,T3,0.5,3', 'ERR_SERIES_UNKNOWN', "'T3', expected T2, T1, T2_SPACE"],
    ['p,a.png,L5/S1,1,1,T2,-1,3', 'ERR_SPACING_INVALID', "'-1'"],
    ['p,a.png,L5/S1,1,1,T2,0.5,6', 'ERR_LABEL_UNKNOWN', "'6', expected 1, 2, 3, 4, 5"],
  ])('%s is kept and reported', async (line, code, part) => {
    const { studies, skipped } = await read(`study,image,level,x,y,series,spacing,pfirrman_grade\n${line}\n`);
    expect(skipped).toMatchObject([{ path: 'discs.csv:2', code }]);
    expect(skipped[0]!.message).toContain(part);
    expect(studies).toHaveLength(1);
  });

  test('reports a box whose sides are exchanged', async () => {
    const { skipped } = await read(
      'study,image,level,left,top,right,bottom,pfirrman_grade\np,a.png,L5/S1,3,1,1,2,3\n',
    );
    expect(skipped).toMatchObject([{ code: 'ERR_COORDINATE_INVALID', path: 'discs.csv:2' }]);
  });
});

test('levelOf reads the usual spellings of every level', () => {
  for (const [i, level] of DISC_LEVELS.entries()) {
    const [upper, lower] = level.split('/') as [string, string];
    const short = upper[0] === lower[0] ? `${upper}${lower.slice(1)}` : `${upper}${lower}`;
    const thoracic = level.replaceAll('T', 'Th');
    for (const text of [
      level,
      level.toLowerCase(),
      `${upper}-${lower}`,
      `${upper} ${lower}`,
      short,
      thoracic,
    ]) {
      expect(levelOf(text), text).toBe(level);
    }
    expect(levelOf(`${DISC_LEVELS.length - i}`)).toBe(level);
  }
  for (const text of ['', '0', '10', 'L4', 'L5', 'L4/L6', 'L3/L5', 'C5/C6', '4/5']) {
    expect(levelOf(text), text).toBeUndefined();
  }
});

test('spacingOf reads one or two positive numbers', () => {
  expect(spacingOf('')).toBeNull();
  expect(spacingOf('0.5')).toEqual([0.5, 0.5]);
  expect(spacingOf('0.5x0.6')).toEqual([0.5, 0.6]);
  expect(spacingOf('0.5 × 0.6')).toEqual([0.5, 0.6]);
  for (const text of ['0', '-1', 'x', '0.5 x', '1 x 2 x 3', 'mm', 'Infinity'])
    expect(spacingOf(text)).toBeUndefined();
});
