import { readFile, rm, writeFile } from 'node:fs/promises';
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
  expect(text).toMatch(/2 studies \(spinegrad-rsna-\w+\), 10 graded discs, 10 ROIs, 2 slices/);
  expect(text).toMatch(/1 {2}ERR_DICOM_NOT_DICOM, for example train_images\/2\//);
  const manifest = JSON.parse(await readFile(join(out, 'manifest.json'), 'utf8'));
  expect(manifest.roi).toEqual({ size: 16, mode: 'pixels', extentMm: 60, neighbours: 0 });
  expect(manifest.split).toMatchObject({ seed: 7, folds: 4, fold: 1 });
});

test('prepare refuses unusable folders and folds', async () => {
  const out = join(data, 'bank');
  await expect(run('--out', join(data, 'train.csv', 'bank'))).rejects.toMatchObject({ code: 'ERR_WRITE' });
  await expect(run('--out', out, '--data', join(data, 'bank'))).rejects.toMatchObject({
    code: 'ERR_DATA_LAYOUT',
  });
  await expect(run('--out', out, '--folds', '2', '--fold', '0')).rejects.toMatchObject({ code: 'ERR_SPLIT' });
});
