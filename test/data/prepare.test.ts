import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { prepareCommand } from '#spinegrad/cli/prepare.js';
import { SERIES, tinyLayout } from './layout.js';

let data: string;
beforeAll(async () => {
  data = await tinyLayout(['1', '2', '3'].map((studyId) => ({ studyId })));
});
afterAll(() => rm(data, { recursive: true }));

const run = async (...flags: string[]) => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  try {
    await prepareCommand()
      .exitOverride()
      .parseAsync(['--data', data, ...flags], { from: 'user' });
    return log.mock.calls.map(([line]) => String(line)).join('\n');
  } finally {
    log.mockRestore();
  }
};

test('prepare writes the bank and prints the counts and the skipped files', async () => {
  await writeFile(join(data, 'train_images/2', SERIES, '2.dcm'), 'not DICOM');
  const out = join(data, 'bank');
  const flags = ['--roi-mode', 'pixels', '--size', '16', '--slice-size', '32', '--neighbours', '0'];
  const text = await run('--out', out, ...flags, '--folds', '4', '--fold', '1', '--seed', '7');
  expect(text).toMatch(/spinegrad-rsna-\w+ \(rsna layout\): 2 studies \(train \d.*\), 10 graded discs/);
  expect(text).toMatch(/rsna\/spinal_canal_stenosis: 10 discs of 2 studies/);
  expect(text).toMatch(/Sagittal T2\/STIR +2 +10 +12 +0 +0$/m);
  expect(text).toMatch(/1 {2}ERR_DICOM_NOT_DICOM, for example train_images\/2\//);
  const manifest = JSON.parse(await readFile(join(out, 'manifest.json'), 'utf8'));
  expect(manifest.roi).toEqual({ size: 16, mode: 'pixels', extentMm: 60, neighbours: 0 });
  expect(manifest.split).toMatchObject({ seed: 7, folds: 4, fold: 1 });
});

test('prepare --check counts what a bank would hold and writes only the file of --json', async () => {
  const before = await readdir(data);
  const json = join(await mkdtemp(join(tmpdir(), 'spinegrad-check-')), 'check.json');
  const text = await run('--check', '--json', json);
  expect(await readdir(data)).toEqual(before);
  expect(text).toMatch(/1 skipped:\n +1 {2}ERR_DICOM_NOT_DICOM, for example train_images\/2\//);
  const found = JSON.parse(await readFile(json, 'utf8'));
  expect(found).toMatchObject({
    layout: 'rsna',
    studies: 2,
    discs: 10,
    tasks: [{ id: 'rsna/spinal_canal_stenosis', studies: 2, discs: 10 }],
    series: [{ name: 'Sagittal T2/STIR', slices: 2, discs: 10, spacing: { file: 12, table: 0, pitch: 0 } }],
    skipped: [{ code: 'ERR_DICOM_NOT_DICOM', count: 1, example: { path: expect.stringContaining('2.dcm') } }],
    notices: [],
  });
  const counts = Object.values(found.tasks[0].grades).flatMap((grades) => Object.values(grades as object));
  expect(counts.reduce((a, b) => a + b)).toBe(10);
});

test.each([[[]], [['--check', '--out', 'bank']], [['--out', 'bank', '--json', 'check.json']]])(
  'prepare refuses the options %j',
  async (flags) => {
    const quiet = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
    await expect(run(...flags)).rejects.toMatchObject({ code: 'commander.error' });
    quiet.mockRestore();
  },
);

test('prepare refuses unusable folders and folds', async () => {
  const out = join(data, 'bank');
  await expect(run('--out', join(data, 'train.csv', 'bank'))).rejects.toMatchObject({ code: 'ERR_WRITE' });
  await expect(run('--out', out, '--data', join(data, 'bank'))).rejects.toMatchObject({
    code: 'ERR_DATA_LAYOUT',
  });
  await expect(run('--out', out, '--folds', '2', '--fold', '0')).rejects.toMatchObject({ code: 'ERR_SPLIT' });
});
