import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync, gunzipSync } from 'node:zlib';
import { encode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readInput } from '#spinegrad/data/input.js';
import { readNifti } from '#spinegrad/data/nifti.js';
import { readPng } from '#spinegrad/data/png.js';
import { letterboxSlice } from '#spinegrad/data/roi.js';
import { canalSlice } from '#spinegrad/data/series.js';
import { planeOf, toPixel } from '#spinegrad/dicom/geometry.js';
import golden from './golden/nifti.json' with { type: 'json' };
import { encodeMha } from './metaImage.js';
import { encodeNifti } from './niftiFile.js';
import { encodePng } from './pngFile.js';
import { readSpider, SPIDER_MIDDLE_SLICES } from './spider.js';

const testData = process.env.SPINEGRAD_TEST_DATA;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-inputs-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe.skipIf(testData === undefined)('a NIfTI volume', () => {
  const volume = join(testData ?? '', 'lumbar-volume/t2_lumbar.nii.gz');

  test('gives sagittal slices with the voxels and patient coordinates of nibabel', async () => {
    const slices = await readNifti(volume);
    expect(slices).toHaveLength(golden.shape[0]!);
    expect(planeOf(slices[0]!.geometry!)).toBe('sagittal');
    for (const { lps, value } of golden.voxels) {
      const point = lps as [number, number, number];
      const slice = slices.find(({ geometry }) => Math.abs(geometry!.position[0] - point[0]) < 0.01)!;
      const [x, y] = toPixel(slice.geometry!, slice.pixelSpacing!, point);
      expect(Math.abs(x - Math.round(x)) + Math.abs(y - Math.round(y))).toBeLessThan(0.01);
      expect(slice.pixels[Math.round(y) * slice.columns + Math.round(x)]).toBeCloseTo(value, 3);
    }
    const xs = slices.map(({ geometry }) => geometry!.position[0]);
    expect(xs).toEqual([...xs].sort((a, b) => a - b));
  });

  test('is canonical after letterboxSlice: brighter posterior than anterior', async () => {
    const { pixels } = letterboxSlice(canalSlice(await readNifti(volume)), 96);
    const mean = (from: number, to: number) => {
      const columns = pixels.filter((_, i) => i % 96 >= from && i % 96 < to);
      return columns.reduce((a, b) => a + b, 0) / columns.length;
    };
    expect(mean(60, 72)).toBeGreaterThan(mean(0, 12));
  });

  test('is the same without compression, and ERR_NIFTI if truncated', async () => {
    const raw = gunzipSync(await readFile(volume));
    await writeFile(join(folder, 'raw.nii'), raw);
    const [a, b] = [await readNifti(volume), await readNifti(join(folder, 'raw.nii'))];
    expect(b[19]!.pixels).toEqual(a[19]!.pixels);
    await writeFile(join(folder, 'truncated.nii'), raw.subarray(0, 10_000));
    await expect(readNifti(join(folder, 'truncated.nii'))).rejects.toMatchObject({
      code: 'ERR_NIFTI',
      message: expect.stringContaining('truncated'),
    });
    await writeFile(join(folder, 'truncated.nii.gz'), (await readFile(volume)).subarray(0, 10_000));
    await expect(readNifti(join(folder, 'truncated.nii.gz'))).rejects.toMatchObject({ code: 'ERR_NIFTI' });
  });
});

test('readNifti throws ERR_NIFTI for other files and ERR_FILE_NOT_FOUND', async () => {
  await writeFile(join(folder, 'text.nii'), 'not NIfTI');
  await expect(readNifti(join(folder, 'text.nii'))).rejects.toMatchObject({ code: 'ERR_NIFTI' });
  await expect(readNifti(join(folder, 'none.nii'))).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
});

test.each([
  ['a zero pixdim', { pixdim: [4, 0, 0.5] }, 'voxels of 4 x 0 x 0.5 mm; expected positive lengths'],
  ['a NaN pixdim', { pixdim: [4, Number.NaN, 0.5] }, 'voxels of 4 x NaN x 0.5 mm'],
  ['an infinite pixdim', { pixdim: [Number.POSITIVE_INFINITY, 1, 1] }, 'voxels of Infinity x 1 x 1 mm'],
  ['voxels in the header', { voxOffset: 0 }, 'voxels at byte 0; expected a vox_offset of 348 or more'],
  ['a NaN vox_offset', { voxOffset: Number.NaN }, 'voxels at byte NaN'],
] as const)('readNifti throws ERR_NIFTI that names the file for %s', async (_, change, part) => {
  const path = join(folder, 'damaged.nii');
  await writeFile(path, encodeNifti({ size: [3, 4, 5], ...change }));
  const error = await readNifti(path).catch((cause) => cause);
  expect(error.code).toBe('ERR_NIFTI');
  expect(error.message).toContain(`${path}: found ${part}`);
});

test('readInput reads a MetaImage volume', async () => {
  await writeFile(join(folder, 'volume.mha'), encodeMha({ size: [4, 3, 2] }));
  const { slices, skipped } = await readInput(join(folder, 'volume.mha'), null, 'T2');
  expect(slices).toMatchObject([{ rows: 3, columns: 4 }, { rows: 3 }]);
  expect(skipped).toEqual([]);
});

describe('a PNG slice', () => {
  const write = async (image: Parameters<typeof encode>[0]) => {
    const path = join(folder, 'slice.png');
    await writeFile(path, encode(image));
    return path;
  };

  test('can be grey with 8 or 16 bits, with or without alpha', async () => {
    const grey = await write({
      width: 2,
      height: 1,
      channels: 1,
      depth: 16,
      data: new Uint16Array([7, 60_000]),
    });
    expect(await readPng(grey, [0.5, 0.6])).toMatchObject({
      rows: 1,
      columns: 2,
      pixels: new Float32Array([7, 60_000]),
      pixelSpacing: [0.5, 0.6],
      geometry: null,
    });
    const alpha = await write({ width: 1, height: 1, channels: 2, depth: 8, data: new Uint8Array([9, 128]) });
    expect((await readPng(alpha, null)).pixels).toEqual(new Float32Array([9]));
  });

  test('in colour is converted to luminance', async () => {
    const data = new Uint8Array([100, 100, 100, 255, 255, 0, 0, 255]);
    const colour = await write({ width: 2, height: 1, channels: 4, depth: 8, data });
    const { pixels } = await readPng(colour, null);
    expect(pixels[0]).toBeCloseTo(100);
    expect(pixels[1]).toBeCloseTo(76.245);
  });

  test('can be interlaced', async () => {
    const passes = ['0 0 8 8', '4 0 8 8', '0 4 4 8', '2 0 4 4', '0 2 2 4', '1 0 2 2', '0 1 1 2'];
    const [width, height] = [7, 6];
    const rows = passes.flatMap((pass) => {
      const [x0, y0, dx, dy] = pass.split(' ').map(Number) as [number, number, number, number];
      const lines: number[] = [];
      for (let y = y0; y < height && x0 < width; y += dy) {
        lines.push(0);
        for (let x = x0; x < width; x += dx) lines.push(10 * y + x);
      }
      return lines;
    });
    const path = join(folder, 'interlaced.png');
    const chunks = [['IDAT', deflateSync(Buffer.from(rows))]] as const;
    await writeFile(path, encodePng(width, height, chunks, { interlaced: true }));
    const { pixels } = await readPng(path, null);
    expect([...pixels.subarray(0, 8)]).toEqual([0, 1, 2, 3, 4, 5, 6, 10]);
    expect(pixels.at(-1)).toBe(56);
  });

  test('can have a palette of fewer bits', async () => {
    const path = join(folder, 'palette.png');
    const palette = Buffer.from([10, 10, 10, 200, 200, 200]);
    const rows = deflateSync(Buffer.from([0, 0b01000000, 0, 0b10100000]));
    const chunks = [
      ['PLTE', palette],
      ['IDAT', rows],
    ] as const;
    await writeFile(path, encodePng(3, 2, chunks, { depth: 1, colour: 3 }));
    const { pixels } = await readPng(path, null);
    expect([...pixels].map(Math.round)).toEqual([10, 200, 10, 200, 10, 200]);
  });

  test('throws ERR_PNG for other files and ERR_FILE_NOT_FOUND', async () => {
    await writeFile(join(folder, 'text.png'), 'not PNG');
    await expect(readPng(join(folder, 'text.png'), null)).rejects.toMatchObject({ code: 'ERR_PNG' });
    await expect(readPng(join(folder, 'none.png'), null)).rejects.toMatchObject({
      code: 'ERR_FILE_NOT_FOUND',
    });
  });
});

describe.skipIf(testData === undefined)('SPIDER slices', () => {
  test.each(SPIDER_MIDDLE_SLICES)('%s: disc centres are ordered from superior to inferior', async (name) => {
    const { slice, centres } = await readSpider(testData!, name);
    const points = [...centres.values()];
    expect(points.length).toBeGreaterThanOrEqual(3);
    for (const [i, [x, y]] of points.entries()) {
      expect(x > 0 && x < slice.columns && y > (points[i - 1]?.[1] ?? 0)).toBe(true);
    }
  });
});

describe.skipIf(testData === undefined)('readInput', () => {
  const read = (name: string, spacing: [number, number] | null = null) =>
    readInput(join(testData!, name), spacing, 'T2');

  test('reads a DICOM file, a folder, a NIfTI volume and a PNG image', async () => {
    const file = await read('spine-dicom/2022-03-08-RicSmi.dcm');
    expect(file.slices).toMatchObject([{ rows: 256, columns: 256, pixelSpacing: [1.328125, 1.328125] }]);
    expect((await read('spine-dicom')).slices.length).toBeGreaterThan(0);
    expect((await read('lumbar-volume/t2_lumbar.nii.gz')).slices).toHaveLength(38);
    expect((await read('spider-slices/images/10009_11.png', [0.7, 0.7])).slices).toHaveLength(1);
  });

  test('uses one of several studies and lists the others in skipped', async () => {
    const { slices, skipped } = await read('spine-dicom');
    expect(slices[0]!.path).toContain('RicSmi');
    expect(skipped).toMatchObject([{ code: 'ERR_STUDY_EXTRA', path: expect.stringContaining('ISO_IR13') }]);
  });

  test('rejects files that are not DICOM or have no image', async () => {
    await expect(read('dicom-odd/README.txt')).rejects.toMatchObject({ code: 'ERR_DICOM_NOT_DICOM' });
    await expect(read('dicom-odd/reportsi.dcm')).rejects.toMatchObject({ code: 'ERR_DICOM_NO_PIXELS' });
  });

  test('reads a PNG without spacing', async () => {
    const { slices } = await read('spider-slices/images/10009_11.png');
    expect(slices).toMatchObject([{ pixelSpacing: null, geometry: null }]);
  });

  test('rejects an axial file and a folder without images', async () => {
    await expect(read('spine-dicom/GH1339.dcm')).rejects.toMatchObject({ code: 'ERR_SERIES_NOT_FOUND' });
    await expect(read('spider-slices')).rejects.toMatchObject({ code: 'ERR_SERIES_NOT_FOUND' });
  });
});
