import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { encode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readInput } from '#spinegrad/data/input.js';
import { readNifti } from '#spinegrad/data/nifti.js';
import { readPng } from '#spinegrad/data/png.js';
import { letterboxSlice } from '#spinegrad/data/roi.js';
import { canalSlice } from '#spinegrad/data/series.js';
import { planeOf, toPixel } from '#spinegrad/dicom/geometry.js';
import golden from './golden/nifti.json' with { type: 'json' };
import { readSpider, SPIDER_MIDDLE_SLICES } from './spider.js';

const testData = process.env.SPINEGRAD_TEST_DATA;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-inputs-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe.skipIf(testData === undefined)('a NIfTI volume', () => {
  const volume = join(testData ?? '', 'lumbar-volume/t2_lumbar.nii.gz');

  test('gives sagittal slices; voxels lie where nibabel says', async () => {
    const slices = await readNifti(volume);
    expect(slices).toHaveLength(golden.shape[0]!);
    expect(planeOf(slices[0]!.geometry!)).toBe('sagittal');
    for (const { lps, value } of golden.voxels) {
      const place = lps as [number, number, number];
      const slice = slices.find(({ geometry }) => Math.abs(geometry!.position[0] - place[0]) < 0.01)!;
      const [x, y] = toPixel(slice.geometry!, slice.pixelSpacing!, place);
      expect(Math.abs(x - Math.round(x)) + Math.abs(y - Math.round(y))).toBeLessThan(0.01);
      expect(slice.pixels[Math.round(y) * slice.columns + Math.round(x)]).toBeCloseTo(value, 3);
    }
    const lateral = slices.map(({ geometry }) => geometry!.position[0]);
    expect(lateral).toEqual([...lateral].sort((a, b) => a - b));
  });

  test('comes out canonical: the skin of the back on the right, air beside it', async () => {
    const { pixels } = letterboxSlice(canalSlice(await readNifti(volume)), 96);
    const mean = (from: number, to: number) => {
      const columns = pixels.filter((_, i) => i % 96 >= from && i % 96 < to);
      return columns.reduce((a, b) => a + b, 0) / columns.length;
    };
    expect(mean(60, 72)).toBeGreaterThan(mean(0, 12));
  });

  test('uncompressed it is the same; cut, it is an error', async () => {
    const raw = gunzipSync(await readFile(volume));
    await writeFile(join(folder, 'raw.nii'), raw);
    const [a, b] = [await readNifti(volume), await readNifti(join(folder, 'raw.nii'))];
    expect(b[19]!.pixels).toEqual(a[19]!.pixels);
    await writeFile(join(folder, 'cut.nii'), raw.subarray(0, 10_000));
    await expect(readNifti(join(folder, 'cut.nii'))).rejects.toMatchObject({
      code: 'ERR_NIFTI',
      message: expect.stringContaining('truncated'),
    });
    await writeFile(join(folder, 'cut.nii.gz'), (await readFile(volume)).subarray(0, 10_000));
    await expect(readNifti(join(folder, 'cut.nii.gz'))).rejects.toMatchObject({ code: 'ERR_NIFTI' });
  });
});

test('what is not NIfTI or not there', async () => {
  await writeFile(join(folder, 'text.nii'), 'no volume');
  await expect(readNifti(join(folder, 'text.nii'))).rejects.toMatchObject({ code: 'ERR_NIFTI' });
  await expect(readNifti(join(folder, 'none.nii'))).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
});

describe('a PNG slice', () => {
  const write = async (image: Parameters<typeof encode>[0]) => {
    const path = join(folder, 'slice.png');
    await writeFile(path, encode(image));
    return path;
  };

  test('grey, with and without alpha, 8 and 16 bits', async () => {
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

  test('colours become luminance', async () => {
    const data = new Uint8Array([100, 100, 100, 255, 255, 0, 0, 255]);
    const colour = await write({ width: 2, height: 1, channels: 4, depth: 8, data });
    const { pixels } = await readPng(colour, null);
    expect(pixels[0]).toBeCloseTo(100);
    expect(pixels[1]).toBeCloseTo(76.245);
  });

  test('what is not a PNG or not there', async () => {
    await writeFile(join(folder, 'text.png'), 'no picture');
    await expect(readPng(join(folder, 'text.png'), null)).rejects.toMatchObject({ code: 'ERR_PNG' });
    await expect(readPng(join(folder, 'none.png'), null)).rejects.toMatchObject({
      code: 'ERR_FILE_NOT_FOUND',
    });
  });
});

describe.skipIf(testData === undefined)('the SPIDER slices', () => {
  test.each(SPIDER_MIDDLE_SLICES)('%s: disc centres go down the spine', async (name) => {
    const { slice, centres } = await readSpider(testData!, name);
    const places = [...centres.values()];
    expect(places.length).toBeGreaterThanOrEqual(3);
    for (const [i, [x, y]] of places.entries()) {
      expect(x > 0 && x < slice.columns && y > (places[i - 1]?.[1] ?? 0)).toBe(true);
    }
  });
});

describe.skipIf(testData === undefined)('what predict is given', () => {
  const read = (name: string, spacing: [number, number] | null = null) =>
    readInput(join(testData!, name), spacing);

  test('a DICOM file, a folder, a volume, a picture', async () => {
    const one = await read('spine-dicom/2022-03-08-RicSmi.dcm');
    expect(one.slices).toMatchObject([{ rows: 256, columns: 256, pixelSpacing: [1.328125, 1.328125] }]);
    expect((await read('spine-dicom')).slices.length).toBeGreaterThan(0);
    expect((await read('lumbar-volume/t2_lumbar.nii.gz')).slices).toHaveLength(38);
    expect((await read('spider-slices/images/10009_11.png', [0.7, 0.7])).slices).toHaveLength(1);
  });

  test('of several studies one is taken, and the others are named', async () => {
    const { slices, skipped } = await read('spine-dicom');
    expect(slices[0]!.path).toContain('RicSmi');
    expect(skipped).toMatchObject([{ code: 'ERR_STUDY_EXTRA', path: expect.stringContaining('ISO_IR13') }]);
  });

  test('a file without an image says what it is', async () => {
    await expect(read('dicom-odd/README.txt')).rejects.toMatchObject({ code: 'ERR_DICOM_NOT_DICOM' });
    await expect(read('dicom-odd/reportsi.dcm')).rejects.toMatchObject({ code: 'ERR_DICOM_NO_PIXELS' });
  });

  test('an axial file, a picture without spacing and a folder without images are refused', async () => {
    await expect(read('spine-dicom/GH1339.dcm')).rejects.toMatchObject({ code: 'ERR_SERIES_NOT_FOUND' });
    await expect(read('spider-slices/images/10009_11.png')).rejects.toMatchObject({
      code: 'ERR_PIXEL_SPACING',
    });
    await expect(read('spider-slices')).rejects.toMatchObject({ code: 'ERR_SERIES_NOT_FOUND' });
  });
});
