import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type FoldCrops, readTestCrops, writeCrops } from '#spinegrad/study/cropsFile.js';

const place = { image: 'a.png', centre: [1, 2], centreMm: null, localizationMm: 2, levelProbability: 0.9 };

/** Crops of 4 x 4 pixels with one disc. */
const foldWith = (crops: number, row: number, slots: (number | null)[]): FoldCrops => {
  const discs = [{ disc: { id: 3 }, row, ...place, flags: [] }];
  const set = { discs, crops: { pixels: new Uint16Array(16 * crops), size: 4, discs: [slots] } };
  return { validation: set, test: set } as never;
};

it('reads the crops of the test discs, and refuses rows that are not in the file', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'spinegrad-crops-'));
  await writeCrops(dir, foldWith(2, 1, [1, null]));
  expect(await readTestCrops(dir)).toMatchObject({ size: 4, rows: new Map([[3, 1]]) });
  for (const fold of [foldWith(2, 2, []), foldWith(2, 0, [2])]) {
    await writeCrops(dir, fold);
    await expect(readTestCrops(dir)).rejects.toMatchObject({ code: 'ERR_STUDY_FILE' });
  }
  await rm(dir, { recursive: true });
});
