import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { DicomPool, type DicomResult } from '#spinegrad/dicom/pool.js';
import { readDicom } from '#spinegrad/dicom/read.js';
import { runModule } from '../engine/child.js';
import { buildDicom, imageElements, us } from './build.js';

let paths: string[];

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spinegrad-'));
  paths = Array.from({ length: 12 }, (_, index) => join(folder, `${index}.dcm`));
  await Promise.all(
    paths.map((path, index) =>
      writeFile(path, index === 5 ? 'no DICOM' : buildDicom(imageElements(1, 2, us(index, 1)))),
    ),
  );
});

describe('DicomPool', () => {
  it('works under `node --input-type=module --eval`', async () => {
    const code = `
      import { DicomPool } from '#spinegrad/dicom/pool.js';
      const pool = new DicomPool({ size: 1 });
      console.log((await pool.read('${paths[0]}')).columns);
      await pool.close();`;
    expect(await runModule(code)).toEqual({ status: 0, signal: null, output: '2\n' });
  });

  it('yields results in order, with an error for a bad file', async () => {
    await using pool = new DicomPool({ size: 2 });
    const results: DicomResult[] = [];
    for await (const result of pool.readAll(paths)) results.push(result);
    expect(results.map(({ path }) => path)).toEqual(paths);
    for (const [index, result] of results.entries()) {
      if (index === 5) expect(result).toMatchObject({ error: { code: 'ERR_DICOM_NOT_DICOM' } });
      else expect('image' in result && [...result.image.frames[0]!.pixels]).toEqual([index, 1]);
    }
  });

  it('rejects with the errors of readDicom', async () => {
    await using pool = new DicomPool({ size: 1 });
    const folder = dirname(paths[0]!);
    for (const path of [join(folder, 'none.dcm'), folder]) {
      const { code, message } = await readDicom(path).catch((error) => error);
      await expect(pool.read(path)).rejects.toMatchObject({ code, message });
    }
  });

  it('replaces a thread that exceeds the time limit', async () => {
    await using pool = new DicomPool({ size: 1, timeoutMs: 0 });
    await expect(pool.read(paths[0]!)).rejects.toMatchObject({
      code: 'ERR_DICOM_DECODE',
      message: expect.stringMatching(/^\S+0\.dcm: not finished within 0 ms/),
    });
    await expect(pool.read(paths[1]!)).rejects.toMatchObject({ code: 'ERR_DICOM_DECODE' });
  });

  it('rejects queued and later reads when it is closed', async () => {
    const pool = new DicomPool({ size: 1 });
    const reads = Promise.allSettled(paths.slice(0, 3).map((path) => pool.read(path)));
    await pool.close();
    for (const result of await reads) expect(result).toMatchObject({ reason: { code: 'ERR_DISPOSED' } });
    await expect(pool.read(paths[0]!)).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('keeps the process alive until its threads have ended, even if one replies meanwhile', async () => {
    const { status, output } = await runModule(`
      import { Worker } from 'node:worker_threads';
      import { DicomPool } from '#spinegrad/dicom/pool.js';
      const { terminate } = Worker.prototype;
      Worker.prototype.terminate = function () {
        const ended = terminate.call(this);
        this.emit('message', { code: 'ERR_LATE', message: 'a late reply' });
        return ended;
      };
      const pool = new DicomPool({ size: 1 });
      const read = pool.read('x.dcm').catch(({ code }) => code);
      await pool.close();
      console.log('closed', await read);
    `);
    expect({ status, output }).toEqual({ status: 0, output: 'closed ERR_LATE\n' });
  });

  it('throws ERR_ARGUMENT if size is not a positive integer', () => {
    expect(() => new DicomPool({ size: 0 })).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  });
});
