/** docs/data.md: its examples work, and it lists every error of the data folders. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { expect, test } from 'vitest';
import { readDataset } from '#spinegrad/data/dataset.js';
import { parseTask } from '#spinegrad/tasks/task.js';

const text = await readFile(new URL('../../docs/data.md', import.meta.url), 'utf8');
const example = (language: string) => new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(text)![1]!;

test('the example of a table is read', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'spinegrad-docs-'));
  await mkdir(join(dir, 'images'));
  const png = encode({ width: 2, height: 2, channels: 1, depth: 8, data: new Uint8Array(4) });
  for (const name of ['anna', 'ben']) await writeFile(join(dir, `images/${name}_t2.png`), png);
  await writeFile(join(dir, 'discs.csv'), example('csv'));
  const { layout, studies, skipped } = await readDataset(dir);
  await rm(dir, { recursive: true });
  expect(layout).toBe('table');
  expect(studies).toMatchObject([
    {
      studyId: 'anna',
      series: [{ annotation: { complete: true, discs: [{ grades: [2] }, { grades: [3] }] } }],
    },
    { studyId: 'ben', series: [{ pixelSpacing: [0.58, 0.6], annotation: { complete: false } }] },
  ]);
  expect(skipped.map(({ code }) => code)).toEqual(['ERR_LABEL_MISSING']);
});

test('the example of tasks.json is valid', () => {
  const tasks: unknown[] = JSON.parse(example('json'));
  expect(tasks.map((task) => parseTask(task, 'docs').id)).toEqual(['clinic/oedema']);
});

test('every code that reading a data folder can give is in the tables', async () => {
  const source = new URL('../../ts/data/', import.meta.url);
  const names = (await readdir(new URL('layouts/', source))).map((name) => `layouts/${name}`);
  const files = [
    ...names,
    'dataset.ts',
    'images.ts',
    'mask.ts',
    'mha.ts',
    'nifti.ts',
    'orientation.ts',
    'png.ts',
    'roi.ts',
  ];
  const thrown = new Set<string>();
  const node = 'ERR_BUFFER_TOO_LARGE';
  for (const file of [...files, 'maskAnnotation.ts', 'annotatedStack.ts', 'reports.ts', '../io/csv.ts']) {
    const content = await readFile(new URL(file, source), 'utf8').catch(() => '');
    for (const [, code] of content.matchAll(/'(ERR_[A-Z_]*[A-Z])'/g)) thrown.add(code!);
  }
  expect(thrown.size).toBeGreaterThan(20);
  expect([...thrown].filter((code) => code !== node && !text.includes(`\`${code}\``)).sort()).toEqual([]);
});
