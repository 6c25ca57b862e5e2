/** scripts/spider-table.js: SPIDER slices as a table of discs. */
import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDataset } from '#spinegrad/data/dataset.js';
import type { DiscAnnotation } from '#spinegrad/data/layouts/layout.js';

const SCRIPT = fileURLToPath(new URL('../../scripts/spider-table.js', import.meta.url));
const run = (...args: string[]) => execFileSync(process.execPath, [SCRIPT, ...args], { encoding: 'utf8' });

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-spider-table-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A PNG of 60 x 90 pixels that is 0 except for discs of 20 x 8 pixels at the given rows. */
function png(label = 0, ...rows: number[]): Uint8Array {
  const data = new Uint8Array(60 * 90);
  for (const top of rows) {
    for (let y = top; y < top + 8; y++) data.fill(label, 60 * y + 20, 60 * y + 40);
  }
  return encode({ width: 60, height: 90, channels: 1, depth: 8, data });
}

async function writeSlices(): Promise<string> {
  const slices = join(folder, 'slices');
  for (const name of ['images', 'space/images', 'space/masks']) {
    await mkdir(join(slices, name), { recursive: true });
  }
  for (const name of ['1_t2', '1_t2_SPACE', '2_t1'])
    await writeFile(join(slices, `images/${name}.png`), png());
  const masks = {
    '1_t2_SPACE_slice5': [10, 70],
    '1_t2_SPACE_slice7': [10, 40, 70],
    '3_t2_SPACE_slice5': [10],
  };
  for (const [name, rows] of Object.entries(masks)) {
    await writeFile(join(slices, `space/images/${name}.png`), png());
    await writeFile(join(slices, `space/masks/${name}.png`), png(29, ...rows));
  }
  const boxes = ['1_t2,1,9,59,51,89', '1_t2,2,9,0,51,30', '1_t2_SPACE,1,9,59,51,89', '2_t1,1,9,59,51,89'];
  await writeFile(join(slices, 'discs.csv'), `image,ivd_label,left,top,right,bottom\n${boxes.join('\n')}\n`);
  const overview = ['1_t2,2', '1_t2_SPACE,2', '2_t1,1', '3_t2_SPACE,1'].map((row) => `${row},"[0.5, .6]"`);
  await writeFile(
    join(slices, 'overview.csv'),
    `new_file_name,num_discs,PixelSpacing\n${overview.join('\n')}\n`,
  );
  const header =
    'Patient,IVD label,Modic,UP endplate,LOW endplate,Spondylolisthesis,Disc herniation,Disc narrowing,Disc bulging,Pfirrman grade';
  const grades = ['1,1,2,0,0,0,0,1,1,3', '2,1,0,0,0,0,0,0,0,1', '3,0,0,0,0,0,0,0,0,1', '3,1,0,0,0,0,0,0,0,1'];
  await writeFile(join(slices, 'radiological_gradings.csv'), `${header}\n${grades.join('\n')}\n`);
  return slices;
}

const read = async (dir: string) => {
  const { studies, skipped } = await readDataset(dir, { tasks: ['spider/pfirrmann', 'spider/modic'] });
  const series = studies.flatMap(({ studyId, series }) =>
    series.map(({ series: kind, images, pixelSpacing, annotation }) => {
      const { discs, complete } = annotation as DiscAnnotation;
      const boxes = discs.map(({ level, grades, box }) => [level, grades, box]);
      return { studyId, kind, images, pixelSpacing, complete, boxes };
    }),
  );
  return { series, skipped: skipped.map(({ code }) => code) };
};

test('writes a table that readDataset reads, with boxes without their margin', async () => {
  const slices = await writeSlices();
  const out = join(folder, 'boxes');
  expect(run(slices, out)).toContain('4 discs on 3 slices of 2 patients');
  const { series, skipped } = await read(out);
  expect(skipped).toEqual(['ERR_LABEL_MISSING', 'ERR_LABEL_MISSING']);
  expect(series.map(({ studyId, kind }) => [studyId, kind])).toEqual([
    ['1', 'T2'],
    ['1', 'T2_SPACE'],
    ['2', 'T1'],
  ]);
  expect(series[0]).toEqual({
    studyId: '1',
    kind: 'T2',
    images: 'slices/images/1_t2.png',
    pixelSpacing: [0.5, 0.6],
    complete: true,
    boxes: [
      ['L4/L5', [null, null], [20, 0, 40, 19]],
      ['L5/S1', [2, 2], [20, 70, 40, 78]],
    ],
  });
});

test('with --space takes T2_SPACE from the masks, and leaves out slices with unknown levels', async () => {
  const out = join(folder, 'space');
  expect(run(await writeSlices(), out, '--space')).toContain('2 slices with unknown levels left out');
  const { series } = await read(out);
  expect(series.find(({ kind }) => kind === 'T2_SPACE')).toMatchObject({
    images: 'slices/space/images/1_t2_SPACE_slice5.png',
    boxes: [
      ['L4/L5', [null, null], [20, 10, 39, 17]],
      ['L5/S1', [2, 2], [20, 70, 39, 77]],
    ],
  });
  expect(series.map(({ kind }) => kind).sort()).toEqual(['T1', 'T2', 'T2_SPACE']);
});

test('with --all lists the grades of the other T1 and T2 slices without coordinates', async () => {
  const out = join(folder, 'all');
  const slices = await writeSlices();
  await writeFile(join(slices, 'images/1_t1.png'), png());
  await writeFile(join(slices, 'images/3_t2.png'), png());
  await appendFile(join(slices, 'overview.csv'), '1_t1,2,"[0.5, .6]"\n3_t2,1,"[0.5, .6]"\n');
  expect(run(slices, out, '--all')).toContain('5 discs on 4 slices of 2 patients');
  const { series, skipped } = await read(out);
  expect(series.map(({ studyId, kind }) => `${studyId} ${kind}`)).toEqual(['1 T2', '1 T2_SPACE', '2 T1']);
  // Patient 3 has a disc below L5/S1, so the numbers of its discs are unknown.
  expect(skipped).toEqual(['ERR_LABEL_MISSING', 'ERR_LABEL_MISSING', 'ERR_COORDINATE_INVALID']);
});

const testData = process.env.SPINEGRAD_TEST_DATA;
describe.skipIf(testData === undefined)('the slices of SPINEGRAD_TEST_DATA', () => {
  test('give 111 slices of 69 patients, and no line is skipped', async () => {
    const out = join(folder, 'real');
    run(join(testData!, 'spider'), out);
    const { studies, skipped } = await readDataset(out, { tasks: ['spider/pfirrmann'] });
    expect(skipped).toEqual([]);
    expect(studies).toHaveLength(69);
    expect(studies.flatMap(({ series }) => series)).toHaveLength(111);
  });
});
