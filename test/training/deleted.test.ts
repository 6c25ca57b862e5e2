/** A run whose folder is deleted stops with a clear error, and nothing creates the folder again. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { makeSubfolder } from '#spinegrad/io/atomic.js';
import { parseSetting } from '#spinegrad/training/config.js';
import { openRunFolder } from '#spinegrad/training/runFolder.js';
import { train } from '#spinegrad/training/train.js';
import { changes, temporaryFolder, tinyStudies } from './runs.js';

let data: string;
beforeAll(async () => {
  data = await tinyStudies();
});

/** Trains, and deletes the run's folder at the first progress of a task. */
async function deletedAt(task: string, dir: string, phantoms: boolean): Promise<unknown> {
  const settings = phantoms ? { 'data.studies': 4 } : {};
  const { identity, lock } = await openRunFolder(dir, false, {
    preset: 'smoke',
    changes: changes(settings).map(parseSetting),
    ...(phantoms ? {} : { data }),
  });
  using _ = lock;
  let deleted = false;
  const update = (name: string) => {
    if (deleted || !name.startsWith(task)) return;
    deleted = true;
    rmSync(dir, { recursive: true });
  };
  const progress = { update, line() {}, end() {} };
  const { signal } = new AbortController();
  const error = await train({ dir, identity, resume: false, device: 'cpu', progress, signal }).catch(
    (cause) => cause,
  );
  expect(deleted).toBe(true);
  return error;
}

it.each([
  ['phantom studies', true],
  ['preparing ROIs', false],
  ['pretraining', false],
  ['localization', false],
  ['finetuning-scratch', false],
])('stops if the folder is deleted while it is in the stage %s', async (task, phantoms) => {
  const dir = join(await temporaryFolder(), 'run');
  expect(await deletedAt(task, dir, phantoms)).toMatchObject({
    code: 'ERR_FOLDER_DELETED',
    message: expect.stringMatching(
      /run: the folder was deleted while it was in use; .*run the command again/,
    ),
  });
  expect(existsSync(dir)).toBe(false);
});

it('a folder is created in an existing one only', async () => {
  const folder = await temporaryFolder();
  expect(await makeSubfolder(folder, 'a')).toBe(join(folder, 'a'));
  expect(await makeSubfolder(folder, 'a')).toBe(join(folder, 'a'));
  await expect(makeSubfolder(join(folder, 'none'), 'a')).rejects.toMatchObject({
    code: 'ERR_FOLDER_DELETED',
  });
  expect(existsSync(join(folder, 'none'))).toBe(false);
});
