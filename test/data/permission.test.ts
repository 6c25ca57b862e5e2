/** What cannot be read is reported as that, not as missing. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readDataset } from '#spinegrad/data/dataset.js';
import { openImages } from '#spinegrad/data/images.js';
import { findSeries } from '#spinegrad/dicom/series.js';
import { SERIES, tinyLayout } from './layout.js';

const NOBODY = 65534;
let dir: string;
beforeEach(async () => {
  dir = await tinyLayout([{ studyId: '1' }, { studyId: '2' }]);
  await chmod(dir, 0o755);
});
afterEach(() => rm(dir, { recursive: true }));

/** Runs a function while a path has no permissions, as a user to whom they apply: root reads everything. */
async function without<T>(path: string, run: () => Promise<T>): Promise<T> {
  await chmod(path, 0);
  const isRoot = process.geteuid!() === 0;
  if (isRoot) process.seteuid!(NOBODY);
  try {
    return await run();
  } finally {
    if (isRoot) process.seteuid!(0);
    await chmod(path, 0o755);
  }
}

const denied = { code: 'ERR_FILE_READ', message: expect.stringContaining('permission denied') };
const DENIED_FOLDERS = ['', 'train.csv', 'train_images'];

test.each(DENIED_FOLDERS)("a data folder without permission for '%s'", async (name) => {
  const path = join(dir, name);
  await without(path, async () => {
    await expect(readDataset(dir)).rejects.toMatchObject({
      ...denied,
      message: expect.stringMatching(
        new RegExp(`^${path}.*: cannot be read: permission denied; make the file`),
      ),
    });
  });
});

test('a study folder without permission is skipped', async () => {
  const { studies, skipped } = await without(join(dir, 'train_images/2'), () => readDataset(dir));
  expect(studies.map(({ studyId }) => studyId)).toEqual(['1']);
  expect(skipped).toMatchObject([{ path: `train_images/2/${SERIES}`, ...denied }]);
});

test('an image of a table without permission is skipped', async () => {
  const table = await mkdtemp(join(tmpdir(), 'spinegrad-table-'));
  await chmod(table, 0o755);
  await writeFile(join(table, 'a.png'), encode({ width: 1, height: 1, data: new Uint8Array(4) }));
  await writeFile(join(table, 'discs.csv'), 'study,image,level,x,y,pfirrman_grade\np,a.png,L5/S1,0,0,1\n');
  await without(join(table, 'a.png'), () =>
    expect(openImages(join(table, 'a.png'))).rejects.toMatchObject(denied),
  );
  await rm(table, { recursive: true });
});

test('a folder of images without permission', async () => {
  const series = join(dir, 'train_images/1', SERIES);
  await without(series, async () => {
    await expect(openImages(series)).rejects.toMatchObject(denied);
    expect((await findSeries(series)).skipped).toMatchObject([{ path: series, ...denied }]);
  });
  await without(join(dir, 'train_images/1'), () => expect(findSeries(series)).rejects.toMatchObject(denied));
});

test('a file as the data folder, and a path below a file', async () => {
  await expect(readDataset(join(dir, 'train.csv'))).rejects.toMatchObject({
    code: 'ERR_DATA_LAYOUT',
    message: expect.stringContaining('it is a file, expected a folder'),
  });
  await expect(readDataset(join(dir, 'train.csv/data'))).rejects.toMatchObject({
    code: 'ERR_FILE_READ',
    message: expect.stringContaining('a part of the path is a file, expected a folder'),
  });
});
