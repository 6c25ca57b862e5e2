/** model.json is hostile input: readers refuse values that no run writes, and files that the run did not write. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { readModel } from '#spinegrad/model/description.js';
import { randomModel } from '../predict/models.js';
import { changeModel, type Json } from './file.js';

const device = await openDevice('cpu', { threads: 1 });
afterAll(() => device.close());

let folder: string;
let written: string;
beforeAll(async () => {
  folder = await mkdtemp(join(process.env.TMPDIR!, 'spinegrad-description-'));
  written = await randomModel(device, folder);
});

async function copyOf(model: string): Promise<string> {
  const dir = await mkdtemp(join(folder, 'copy-'));
  await cp(model, dir, { recursive: true });
  return dir;
}

/** The message with which a changed model is refused. */
async function refusal(change: (model: Json) => void): Promise<string> {
  const path = changeModel(await copyOf(written), change);
  const error = await readModel(join(path, '..')).then(
    () => 'accepted',
    (cause) => cause,
  );
  expect(error).toMatchObject({ code: 'ERR_MODEL' });
  expect(error.message.startsWith(`${path}: `)).toBe(true);
  return error.message.slice(path.length + 2);
}

describe('the hash of model.json', () => {
  it('is that of its other keys, whatever their spaces', async () => {
    const dir = await copyOf(written);
    const path = changeModel(dir, () => {});
    expect(readFileSync(path, 'utf8')).not.toBe(readFileSync(join(written, 'model.json'), 'utf8'));
    expect(await readModel(dir)).toEqual(await readModel(written));
  });

  it.each([
    ['a changed number', '"rmseMm": 3', '"rmseMm": 4'],
    ['a removed key', '"rmseMm": 3', '"rmse": 3'],
    ['a changed setting, which no reader uses', '"preset": "smoke"', '"preset": "smoky"'],
    ['a hash that is not one', '"sha256": "', '"sha256": "x'],
  ])('refuses %s', async (_, found, other) => {
    const dir = await copyOf(written);
    const path = join(dir, 'model.json');
    const text = readFileSync(path, 'utf8');
    const at = text.lastIndexOf(found);
    expect(at).toBeGreaterThan(0);
    writeFileSync(path, text.slice(0, at) + other + text.slice(at + found.length));
    await expect(readModel(dir)).rejects.toMatchObject({
      code: 'ERR_MODEL',
      message: expect.stringMatching(
        /model\.json: sha256: found "x?[0-9a-f]{63,64}", the other keys have the SHA-256 [0-9a-f]{64}: .*copy/,
      ),
    });
  });

  it('is required', async () => {
    const dir = await copyOf(written);
    const path = join(dir, 'model.json');
    const { sha256: _, ...others } = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify(others));
    await expect(readModel(dir)).rejects.toThrow(/model\.json: sha256: found nothing, the other keys/);
  });
});

describe('a model', () => {
  it('of another version of the format is refused with both versions', async () => {
    expect(
      await refusal((model) => {
        model.version = 5;
        delete model.trainedImages;
      }),
    ).toMatch(/^found version 5, expected 6: another version of spinegrad wrote it/);
  });

  it('without the images of its training is refused, because evaluate could not leave out these patients', async () => {
    expect(await refusal((model) => delete model.trainedImages)).toMatch(/^trainedImages: found nothing;/);
    expect(
      await refusal((model) => {
        model.trainedImages = [];
      }),
    ).toMatch(/^trainedImages: found \[\];/);
    expect(
      await refusal((model) => {
        model.trainedImages = ['abc'];
      }),
    ).toMatch(/^trainedImages\.0: found "abc"; expected the 64 hexadecimal digits of a SHA-256/);
  });
});
