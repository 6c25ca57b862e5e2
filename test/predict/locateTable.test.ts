/** Coordinates for the rows of a table that lack them. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SliceRecord } from '#spinegrad/data/types.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { locateTable } from '#spinegrad/predict/locateTable.js';
import { RandomStream } from '#spinegrad/random.js';
import { trainedModel, writePng } from './models.js';

const device = await openDevice('cpu', { threads: 2 });
/** Distance of the pixels of the tiny slices in mm. */
const SPACING = 4;
let folder: string;
let model: string;
let image: Uint16Array;
let discs: SliceRecord['discs'];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-locate-'));
  ({ model, image, discs } = await trainedModel(device, folder));
});
afterAll(async () => {
  device.close();
  await rm(folder, { recursive: true });
});

describe('locateTable', () => {
  const header = 'study,image,series,level,x,y,spacing,rsna_grade';

  async function locateOn(pixels: Uint16Array) {
    const data = await mkdtemp(join(folder, 'table-'));
    await writePng(join(data, 'table.png'), pixels);
    const rows = discs.map(({ level }) => `7,table.png,T2,${level},,,${SPACING},2`);
    const marked = '=8,other.png,T2,L5/S1,-3.50,4,1,+';
    await writeFile(join(data, 'discs.csv'), `${[header, ...rows, marked].join('\n')}\n`);
    const out = join(data, 'complete');
    await writeFile(join(data, 'tasks.json'), '[]');
    const located = await locateTable(device, { data, model, out });
    const lines = (await readFile(join(out, 'discs.csv'), 'utf8')).trim().split('\n');
    expect(await readFile(join(out, 'tasks.json'), 'utf8')).toBe('[]');
    return { ...located, lines: lines.map((line) => line.split(',')) };
  }

  it('adds the coordinates that rows lack, and keeps the others', async () => {
    const { open, found, skipped, lines } = await locateOn(image);
    expect({ open, found, skipped }).toEqual({ open: 5, found: 5, skipped: [] });
    expect(lines[0]).toEqual([...header.split(','), 'slice', 'found']);
    for (const [index, { level, centre }] of discs.entries()) {
      const [study, file, , name, x, y, , grade, slice, mark] = lines[index + 1]!;
      expect([study, file, name, grade, slice, mark]).toEqual([
        '7',
        'images/table.png',
        level,
        '2',
        '1',
        'true',
      ]);
      expect(Math.hypot(Number(x) - centre[0], Number(y) - centre[1])).toBeLessThan(2);
    }
    expect(lines.at(-1)).toEqual(["'=8", 'images/other.png', 'T2', 'L5/S1', '-3.50', '4', '1', "'+", '', '']);
  });

  it('leaves an image without a spine open and states the reason', async () => {
    const noise = new RandomStream(5);
    const { found, skipped, lines } = await locateOn(image.map(() => noise.uniform(0, 60000)));
    expect(found).toBe(0);
    expect(skipped).toMatchObject([{ path: 'table.png', code: 'ERR_NOT_LUMBAR' }]);
    expect(lines[1]).toEqual(['7', 'images/table.png', 'T2', 'L1/L2', '', '', '4', '2', '', '']);
  });

  it('refuses to replace the table that it reads', async () => {
    const data = await mkdtemp(join(folder, 'table-'));
    await writeFile(join(data, 'discs.csv'), `${header}\n`);
    await expect(locateTable(device, { data, model, out: `${data}/.` })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
    });
  });
});
