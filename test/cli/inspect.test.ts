import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { inspectCommand } from '#spinegrad/cli/inspect.js';
import { buildDicom, imageElements, us } from '../dicom/build.js';

const run = (...args: string[]) => inspectCommand().parseAsync(args, { from: 'user' });

afterEach(() => vi.restoreAllMocks());

describe('inspect', () => {
  it('prints tags, geometry and range, and writes the values as a .npy file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'spinegrad-'));
    const [file, npy] = [join(folder, 'x.dcm'), join(folder, 'x.npy')];
    const more = {
      '00280004': ['CS', 'MONOCHROME1'],
      '00281052': ['DS', '-1'],
      '00281053': ['DS', '2'],
    } as const;
    await writeFile(file, buildDicom(imageElements(2, 3, us(0, 1, 2, 3, 4, 5), more)));
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    await run(file, '--npy', npy);
    expect(JSON.parse(String(write.mock.calls[0]![0]))).toMatchObject({
      path: file,
      rows: 2,
      columns: 3,
      plane: 'sagittal',
      canonical: { toImage: [1, 0, 0, 0, 1, 0] },
      pixels: { shape: [2, 3], min: -1, max: 9 },
    });
    const bytes = await readFile(npy);
    expect(bytes.subarray(0, 8).toString('latin1')).toBe('\x93NUMPY\x01\x00');
    const start = 10 + bytes.readUInt16LE(8);
    expect(start % 64).toBe(0);
    expect(bytes.subarray(10, start).toString()).toContain(
      "'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
    );
    const values = Array.from({ length: 6 }, (_, i) => bytes.readFloatLE(start + 4 * i));
    expect(values).toEqual([-1, 1, 3, 5, 7, 9]);
  });

  it('names the reason if a .npy file cannot be written', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'spinegrad-'));
    const file = join(folder, 'x.dcm');
    await writeFile(file, buildDicom(imageElements(1, 1, us(1))));
    await expect(run(file, '--npy', join(folder, 'no', 'x.npy'))).rejects.toMatchObject({
      code: 'ERR_WRITE',
    });
    await writeFile(file, buildDicom({ '00080060': ['CS', 'SR'] }));
    await expect(run(file, '--npy', join(folder, 'x.npy'))).rejects.toMatchObject({
      code: 'ERR_DICOM_NO_PIXELS',
    });
    await expect(run(join(folder, 'no.dcm'))).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  });
});
